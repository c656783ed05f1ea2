// Two buttons that put code on the clipboard; where that may not be, the code is shown to be copied by hand.
function render({ model, el }) {
  el.classList.add("cnbf-copy");
  const shown = document.createElement("textarea");
  shown.readOnly = true;
  shown.hidden = true;
  shown.setAttribute("aria-label", "code");
  const said = document.createElement("span");
  said.className = "cnbf-said";
  said.setAttribute("role", "status");
  const row = document.createElement("div");
  const buttons = {};
  for (const [kind, words] of [["cell", "Copy as cell"], ["python", "Copy as Python"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.title = kind === "cell" ? "The %%comfy cell that does this run" : "The call of kit.run(...) that does this run";
    button.addEventListener("click", () => model.send({ kind }));
    buttons[kind] = button;
    row.append(button);
  }
  row.prepend(said);
  el.append(row, shown);

  const byHand = (text) => {
    shown.hidden = false;
    shown.value = text;
    shown.rows = Math.min(12, text.split("\n").length + 1);
    shown.focus();
    shown.select();
    try { return document.execCommand("copy"); } catch { return false; }
  };

  const write = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      shown.hidden = true;
      return true;
    } catch {
      return byHand(text);
    }
  };

  model.on("msg:custom", async (message) => {
    if (message.kind !== "code") return;
    const copied = await write(message.text);
    said.textContent = copied ? "Copied" : "Press Ctrl+C to copy it";
    setTimeout(() => { said.textContent = ""; }, 2500);
  });
}

export default { render };
