// On the page of a form: a question that hangs on the answer to another stands there once that answer is given.
// Without scripts all of them stand there, and the server takes no notice of what is not asked.

const YES_NO = { yes: true, true: true, no: false, false: false };

const answers = (form, name) => {
  const inputs = [...form.elements].filter((each) => each.name === name && !each.closest("[hidden]"));
  const boxes = inputs.filter((each) => each.type === "checkbox");
  if (boxes.length === 1 && boxes[0].value === "on") return boxes[0].checked;
  const told = boxes.length ? boxes.filter((each) => each.checked) : inputs;
  return told.map((each) => each.value.trim().toLowerCase()).filter(Boolean);
};

const isPut = (said, wanted) => {
  if (!wanted) return said === true || said.length > 0;
  if (typeof said === "boolean") return YES_NO[wanted] === said;
  return said.includes(wanted);
};

for (const form of document.forms) {
  const hanging = [...form.querySelectorAll("[data-after]")];
  const show = () => {
    for (const each of hanging) {
      each.hidden = !isPut(answers(form, each.dataset.after), each.dataset.answer.toLowerCase());
    }
  };
  form.addEventListener("input", show);
  form.addEventListener("change", show);
  show();
}
