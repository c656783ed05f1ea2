// A drop-down for long lists: filters while one types, and draws no more rows than one looks at.
const MOST = 200;

function render({ model, el }) {
  const input = document.createElement("input");
  const list = document.createElement("ul");
  const id = `cnbf-${Math.random().toString(36).slice(2)}`;
  el.classList.add("cnbf-choice");
  input.type = "text";
  input.spellcheck = false;
  input.autocomplete = "off";
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", id);
  list.id = id;
  list.className = "cnbf-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("popover", "manual");
  el.append(input, list);

  let rows = []; // the options found
  let active = -1;
  let open = false;

  const show = () => {
    input.value = model.get("value");
    input.title = model.get("value");
    input.placeholder = model.get("placeholder");
    input.setAttribute("aria-label", model.get("label"));
    list.setAttribute("aria-label", model.get("label"));
  };

  const found = (typed) => {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    return model.get("options").filter((text) => words.every((word) => text.toLowerCase().includes(word)));
  };

  const draw = (typed) => {
    rows = found(typed);
    const drawn = rows.slice(0, MOST).map((text, index) => {
      const row = document.createElement("li");
      row.setAttribute("role", "option");
      row.id = `${id}-${index}`;
      row.title = text;
      row.textContent = text;
      row.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(index); });
      row.addEventListener("pointermove", () => activate(index, false));
      return row;
    });
    const left = rows.length - MOST;
    if (left > 0 || !rows.length) {
      const note = document.createElement("li");
      note.className = "cnbf-note";
      note.setAttribute("role", "presentation");
      note.textContent = rows.length ? `${left.toLocaleString("en")} more: type to find them`
        : model.get("free") ? "Nothing is called that; Enter takes it as it is" : "Nothing is called that";
      drawn.push(note);
    }
    list.replaceChildren(...drawn);
    active = -1;
    const current = rows.indexOf(model.get("value"));
    activate(typed || current < 0 ? (rows.length && typed ? 0 : -1) : current, true);
    if (current >= MOST) active = -1;
  };

  const activate = (index, scroll) => {
    if (active >= 0) list.children[active]?.removeAttribute("aria-selected");
    active = index < Math.min(rows.length, MOST) ? index : -1;
    const row = active >= 0 ? list.children[active] : null;
    row?.setAttribute("aria-selected", "true");
    if (row && scroll) row.scrollIntoView({ block: "nearest" });
    if (row) input.setAttribute("aria-activedescendant", row.id);
    else input.removeAttribute("aria-activedescendant");
  };

  const place = () => {
    const at = input.getBoundingClientRect();
    const below = window.innerHeight - at.bottom;
    const height = Math.min(280, Math.max(120, Math.max(below, at.top) - 16));
    list.style.minWidth = `${at.width}px`;
    list.style.maxWidth = `${Math.max(at.width, Math.min(560, window.innerWidth - at.left - 16))}px`;
    list.style.maxHeight = `${height}px`;
    list.style.left = `${at.left}px`;
    const upwards = below < 160 && at.top > below;
    list.style.top = upwards ? "auto" : `${at.bottom + 2}px`;
    list.style.bottom = upwards ? `${window.innerHeight - at.top + 2}px` : "auto";
  };

  const expand = () => {
    if (open) return;
    open = true;
    place();
    list.showPopover?.();
    list.classList.add("cnbf-open");
    input.setAttribute("aria-expanded", "true");
    window.addEventListener("scroll", moved, true);
  };

  const moved = (event) => { if (!list.contains(event.target)) collapse(); };

  const collapse = () => {
    if (!open) return;
    open = false;
    list.hidePopover?.();
    list.classList.remove("cnbf-open");
    input.setAttribute("aria-expanded", "false");
    window.removeEventListener("scroll", moved, true);
  };

  const commit = (text) => {
    collapse();
    if (text !== model.get("value")) {
      model.set("value", text);
      model.save_changes();
    }
    show();
  };

  const choose = (index) => { commit(rows[index]); input.select(); };

  const leave = () => {
    const typed = input.value.trim();
    const same = model.get("options").find((text) => text.toLowerCase() === typed.toLowerCase());
    if (same !== undefined) commit(same);
    else if (model.get("free") && typed) commit(typed);
    else { collapse(); show(); }
  };

  const begin = () => { if (!open) { draw(""); expand(); activate(active, true); } };

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", begin);
  input.addEventListener("input", () => { draw(input.value); expand(); });
  input.addEventListener("blur", leave);
  input.addEventListener("keydown", (event) => {
    const last = Math.min(rows.length, MOST) - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) {
      if (!open) begin();
      else activate(Math.max(0, Math.min(last, active + steps[event.key])), true);
      event.preventDefault();
    } else if (event.key === "Enter") {
      if (open && active >= 0) choose(active);
      else if (open) leave();
      else begin();
      event.preventDefault();
    } else if (event.key === "Escape" && open) {
      collapse();
      show();
      event.preventDefault();
      event.stopPropagation();
    }
  });

  model.on("change:value", show);
  model.on("change:label", show);
  model.on("change:options", () => { if (open) draw(input.value); });
  show();
  return () => collapse();
}

export default { render };
