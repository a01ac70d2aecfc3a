// Sorting and filtering.  The state is the fragment, e.g. #given=3&sort=-id,
// so that a link shows a selection and the page can be reloaded.
(() => {
  "use strict";
  const form = document.getElementById("filters");
  if (!form) return;
  const grid = document.getElementById("grid");
  const cards = [...grid.children];
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  const more = document.getElementById("more");
  // Full rows of seven on a desk, of three on a phone.
  const FIRST = 21;
  const NEXT = 63;
  let limit = FIRST;

  // Cards come the most suspicious first; the sort is stable.
  const orders = {
    "": () => 0,
    "-score": (a, b) => b.dataset.score - a.dataset.score,
    id: (a, b) => a.dataset.id - b.dataset.id,
    "-id": (a, b) => b.dataset.id - a.dataset.id,
  };

  const update = () => {
    const sort = form.elements.sort.value;
    const wanted = ["given", "predicted", "truth"]
      .map((name) => [name, form.elements[name]?.value ?? ""])
      .filter(([, value]) => value !== "");
    const fits = (card) =>
      wanted.every(([name, value]) => card.dataset[name] === value);
    const sorted = cards.filter(fits).sort(orders[sort] ?? orders[""]);
    const visible = sorted.slice(0, limit);
    grid.replaceChildren(...visible);
    none.hidden = sorted.length > 0;
    const rest = sorted.length - visible.length;
    more.hidden = rest === 0;
    more.textContent = `Show ${Math.min(rest, NEXT)} more`;
    shown.textContent = `${visible.length} of ${sorted.length} shown`;
  };

  const fromFragment = () => {
    const fragment = location.hash.slice(1);
    if (fragment && !fragment.includes("=")) return false;
    const values = new URLSearchParams(fragment);
    for (const select of form.querySelectorAll("select")) {
      const value = values.get(select.name) ?? "";
      // A class without an image among those shown is still a selection.
      if (![...select.options].some((option) => option.value === value)) {
        select.add(new Option(`class ${value}`, value));
      }
      select.value = value;
    }
    limit = FIRST;
    update();
    return fragment !== "";
  };

  const toFragment = () => {
    const values = new URLSearchParams();
    for (const select of form.querySelectorAll("select")) {
      if (select.value) values.set(select.name, select.value);
    }
    history.replaceState(null, "", `#${values}`);
    limit = FIRST;
    update();
  };

  const reset = () => {
    for (const select of form.querySelectorAll("select")) select.value = "";
    toFragment();
  };

  const toImages = () => {
    const images = document.getElementById("images");
    images.focus({ preventScroll: true });
    images.scrollIntoView();
  };

  form.addEventListener("change", toFragment);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    reset();
  });
  document.getElementById("clear").addEventListener("click", reset);
  more.addEventListener("click", () => {
    const next = limit;
    limit += NEXT;
    update();
    // The keyboard goes on with the first of the new images.
    const first = grid.children[next];
    if (first) {
      first.tabIndex = -1;
      first.focus({ preventScroll: true });
    }
  });
  addEventListener("hashchange", () => {
    if (fromFragment()) toImages();
  });
  // The same link a second time changes no fragment, and should still work.
  for (const link of document.querySelectorAll('a[href*="="]')) {
    link.addEventListener("click", () => {
      if (link.hash === location.hash && fromFragment()) toImages();
    });
  }

  form.hidden = false;
  if (fromFragment()) toImages();
  else update();
})();
