// Picking an example: a press on a person in the frame chooses them.

/** @type {HTMLInputElement[]} */
const persons = [...document.querySelectorAll("input")].filter((one) => one.name === "person");
/** @type {NodeListOf<SVGGElement>} */
const boxes = document.querySelectorAll(".picked-frame g");

const mark = () => {
  const chosen = persons.find((one) => one.checked)?.value ?? "";
  for (const box of boxes) {
    if (box.dataset.person === chosen) box.setAttribute("aria-current", "true");
    else box.removeAttribute("aria-current");
  }
};

for (const box of boxes) {
  box.addEventListener("click", () => {
    const person = persons.find((one) => one.value === box.dataset.person);
    if (person) person.checked = true;
    mark();
  });
}
for (const person of persons) person.addEventListener("change", mark);
mark();
