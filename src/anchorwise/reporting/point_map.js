// Say of the dot that is pointed at what it is and what lies next to it; a click holds it until the next one.
for (const map of document.querySelectorAll(".map")) {
  const dots = [...map.querySelectorAll("circle")], card = map.querySelector(".card"), shown = 64;
  const pictures = map.querySelector(".sheet"), columns = Number(map.dataset.columns), rows = Number(map.dataset.rows);
  const add = (parent, kind, text, name) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (name) made.className = name;
    parent.append(made);
    return made;
  };
  const item = (number, mark, words) => {
    const row = add(card, "div", "", `item ${mark}`);
    if (pictures) {
      const picture = add(row, "span", "", "thumb");
      picture.style.backgroundImage = `url(${pictures.src})`;
      picture.style.backgroundSize = `${columns * shown}px ${rows * shown}px`;
      picture.style.backgroundPosition = `-${(number % columns) * shown}px -${Math.floor(number / columns) * shown}px`;
    }
    const text = add(row, "span", "", "words"), data = dots[number].dataset;
    add(text, "b", data.group ? `${data.group}${words ? `, ${words}` : ""}` : words);
    add(text, "span", data.name);
  };
  let held = null;
  const show = number => {
    const near = dots[number].dataset.near.split(" ").filter(Boolean).map(each => each.split(":"));
    dots.forEach((dot, other) => {
      dot.classList.toggle("here", other === number);
      dot.classList.toggle("near", near.some(([neighbour]) => Number(neighbour) === other));
    });
    card.replaceChildren();
    item(number, "query", "");
    for (const [neighbour, cosine] of near) {
      const isRight = dots[neighbour].dataset.group === dots[number].dataset.group;
      item(Number(neighbour), dots[number].dataset.group ? (isRight ? "right" : "wrong") : "", cosine);
    }
  };
  dots.forEach((dot, number) => {
    dot.addEventListener("pointerenter", () => { if (held === null) show(number); });
    dot.addEventListener("click", event => {
      event.stopPropagation();
      held = held === number ? null : number;
      show(number);
    });
  });
  map.addEventListener("click", () => { held = null; });
}
