// A place to drop a file on, or to choose one: it shows what is chosen, and sends what is new.
function render({ model, el }) {
  const zone = document.createElement("button");
  const picture = document.createElement("img");
  const words = document.createElement("span");
  const chooser = document.createElement("input");
  el.classList.add("cnbf-drop");
  zone.type = "button";
  picture.alt = "";
  chooser.type = "file";
  chooser.hidden = true;
  chooser.accept = model.get("accept");
  zone.append(picture, words);
  el.append(zone, chooser);

  const show = () => {
    const thumbnail = model.get("thumbnail");
    picture.hidden = !thumbnail;
    if (thumbnail) picture.src = thumbnail;
    words.textContent = model.get("busy") ? "…" : thumbnail ? "" : model.get("words");
    zone.classList.toggle("cnbf-empty", !thumbnail);
    zone.setAttribute("aria-busy", String(model.get("busy")));
    zone.setAttribute("aria-label", `${model.get("label")}: upload a file`);
    zone.title = "Drop a file here, or click to upload one";
  };

  const send = async (file) => {
    if (!file) return;
    if (file.size > model.get("limit")) {
      model.send({ kind: "too large", name: file.name, size: file.size });
      return;
    }
    model.set("busy", true);
    model.save_changes();
    show();
    model.send({ kind: "file", name: file.name }, undefined, [await file.arrayBuffer()]);
  };

  const over = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    zone.classList.add("cnbf-over");
  };
  zone.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => { send(chooser.files[0]); chooser.value = ""; });
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", () => zone.classList.remove("cnbf-over"));
  zone.addEventListener("drop", (event) => {
    zone.classList.remove("cnbf-over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    send(event.dataTransfer.files[0]);
  });
  for (const name of ["thumbnail", "busy", "words", "label"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
