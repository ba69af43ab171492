"use strict";
(() => {
  // Tables: a column sorts by click or keyboard; a cell without a value stands last in either direction.
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const compare = (one, other, isNumber, sign) => {
    const [a, b] = [one.dataset.value, other.dataset.value];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    return sign * (isNumber ? Number(a) - Number(b) : order.compare(a, b));
  };

  const sortBy = (table, heads, place) => {
    const head = heads[place];
    const isNumber = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const first = isNumber ? "descending" : "ascending"; // the best scores, or the start of the alphabet
    const second = isNumber ? "ascending" : "descending";
    const direction = before === first ? second : first;
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = Array.from(body.rows); // sorting is stable: rows that are equal keep the order of the sort before
    rows.sort((one, other) => compare(one.cells[place], other.cells[place], isNumber, sign));
    body.append(...rows);
  };

  const addFilter = (table) => {
    const rows = Array.from(table.tBodies[0].rows);
    const line = document.createElement("p");
    line.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("output");
    input.type = "search";
    input.id = `${table.id}-filter`;
    label.htmlFor = input.id;
    label.textContent = "Show rows with";
    const update = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row) => {
        const text = Array.from(row.querySelectorAll(".text"), (cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      });
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", update);
    update();
    line.append(label, input, count);
    table.closest(".box").before(line);
  };

  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sortBy(table, heads, place));
      head.append(button);
    });
    if (table.tBodies[0].rows.length > 30) addFilter(table);
  });

  // Figures: drawn when they come near the window, so that the page can be read at once.
  const source = document.getElementById("figure-data");
  const data = JSON.parse(source.textContent);
  const settings = JSON.parse(source.dataset.settings);
  const plots = Array.from(document.querySelectorAll(".plot"));

  const draw = (plot) => {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "yes";
    const figure = data[plot.dataset.figure];
    const { width, ...layout } = figure.layout; // as wide as the page allows
    Plotly.newPlot(plot, {
      data: figure.data,
      layout: { ...layout, autosize: true },
      frames: figure.frames,
      config: settings,
    });
  };

  if (plots.length <= 2 || !("IntersectionObserver" in window)) {
    plots.forEach(draw);
  } else {
    const observer = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        observer.unobserve(entry.target);
        draw(entry.target);
      });
    }, { rootMargin: "600px" });
    plots.forEach((plot) => observer.observe(plot));
  }
  window.addEventListener("beforeprint", () => plots.forEach(draw));
})();
