// A row of the session's results to click on.
function render({ model, el }) {
  el.classList.add("cnbf-strip");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Results of this session");

  const tile = (item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = item.title;
    button.className = `cnbf-tile cnbf-${item.status}`;
    button.dataset.number = item.number;
    const shown = document.createElement(item.thumbnail ? "img" : "span");
    if (item.thumbnail) {
      shown.src = item.thumbnail;
      shown.alt = "";
    } else {
      shown.textContent = item.sign;
    }
    const caption = document.createElement("small");
    caption.textContent = item.caption;
    button.append(shown, caption);
    button.addEventListener("click", () => { model.set("chosen", item.number); model.save_changes(); });
    return button;
  };

  const choose = () => {
    for (const button of el.children) {
      const chosen = Number(button.dataset.number) === model.get("chosen");
      button.setAttribute("aria-pressed", String(chosen));
      if (chosen) el.scrollLeft = Math.max(0, button.offsetLeft - el.clientWidth + button.offsetWidth + 48);
    }
  };

  const draw = () => {
    const focused = el.contains(document.activeElement) ? document.activeElement.dataset.number : null;
    const items = model.get("items");
    el.replaceChildren(...items.map(tile));
    el.hidden = !items.length;
    if (focused) el.querySelector(`[data-number="${Number(focused)}"]`)?.focus();
    choose();
  };
  model.on("change:items", draw);
  model.on("change:chosen", choose);
  draw();
}

export default { render };
