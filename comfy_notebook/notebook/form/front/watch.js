// Says so when the kernel is too busy to hear the form, and sees to the form's keys.
const PATIENCE = 1000; // milliseconds without an answer
const BUSY = "The kernel is busy with a cell: what you do here is done when that is over. "
  + "If it was restarted, run this form's cell again.";

function render({ model, el }) {
  el.classList.add("cnbf-busy");
  el.setAttribute("role", "status");
  let asked = 0;
  let answered = 0;
  let timer = null;

  const ask = () => {
    asked += 1;
    model.send({ kind: "ask", number: asked });
    timer ??= setTimeout(() => {
      timer = null;
      if (answered < asked) el.textContent = BUSY;
    }, PATIENCE);
  };

  const hear = (message) => {
    if (message.kind !== "answer") return;
    answered = Math.max(answered, message.number);
    if (answered < asked) return;
    clearTimeout(timer);
    timer = null;
    el.textContent = "";
  };

  // JupyterLab's keys without Ctrl are for its cells, such as x to cut one, and Ctrl+Enter runs one: not from in here.
  // On the window, as JupyterLab listens on the document, and as this is in no form yet when it is made.
  const keys = (event) => {
    const form = el.closest(".cnbf");
    if (!form?.contains(event.target)) return;
    const held = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" || !(held || event.altKey)) form.setAttribute("data-lm-suppress-shortcuts", "true");
    else form.removeAttribute("data-lm-suppress-shortcuts");
    if (event.key !== "Enter" || !held) return;
    event.preventDefault();
    event.target.blur(); // so that what was typed counts
    form.querySelector(".cnbf-run").click();
    event.target.focus();
  };
  const touch = (event) => { if (el.closest(".cnbf")?.contains(event.target)) ask(); };

  window.addEventListener("keydown", keys, true);
  window.addEventListener("click", touch, true);
  window.addEventListener("change", touch, true);
  model.on("msg:custom", hear);
  return () => {
    clearTimeout(timer);
    window.removeEventListener("keydown", keys, true);
    window.removeEventListener("click", touch, true);
    window.removeEventListener("change", touch, true);
  };
}

export default { render };
