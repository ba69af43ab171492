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

  // At night what is drawn on the ground of the page takes a light colour; what stands on the cells of a heatmap stays.
  const night = window.matchMedia("(prefers-color-scheme: dark)");
  const light = new Map(Object.entries({
    "#ffffff": "#141414", "white": "#141414", "#000000": "#e4e8ec", "#222222": "#e4e8ec", "#2a3f5f": "#e4e8ec", "#333333": "#c2c9d0",
    "#4d4d4d": "#a3adb7", "#555555": "#a3adb7", "#777777": "#a3adb7", "#4b0055": "#b98acb", "#8b5a2b": "#b98350", "#0072b2": "#3f9bd6",
    "#ebf0f8": "#33383d", "#dfe8f3": "#33383d", "#c8d4e3": "#50575e", "rgba(42, 63, 95, 0.1)": "rgba(228, 232, 236, 0.15)",
  }));
  const shadow = /#ffffff/gi;

  const darkened = (value, name) => {
    if (typeof value === "string") return name === "shadow" ? value.replace(shadow, "#141414") : light.get(value.toLowerCase()) ?? value;
    if (Array.isArray(value)) return value.map((one) => darkened(one, name));
    if (value === null || typeof value !== "object") return value;
    const onCells = value.type === "heatmap" || (value.mode === "text" && Array.isArray(value.textfont?.color));
    if (onCells || name === "text" || name === "colorscale") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, ["text", "x", "y", "customdata", "bdata"].includes(key) ? one : darkened(one, key)]));
  };

  const draw = (plot, isNight = night.matches) => {
    if (plot.dataset.drawn === String(isNight)) return;
    plot.dataset.drawn = isNight;
    const stored = data[plot.dataset.figure];
    const figure = isNight ? darkened(stored, "") : stored;
    const { width, ...layout } = figure.layout; // as wide as the page allows
    const ground = isNight ? { paper_bgcolor: "#141414", plot_bgcolor: "#141414" } : {};
    Plotly.newPlot(plot, { // not react: it moves the bands of a flow to their places, and paper would not wait
      data: figure.data,
      layout: { ...layout, ...ground, autosize: true },
      frames: figure.frames,
      config: settings,
    });
  };
  night.addEventListener("change", () => plots.filter((plot) => plot.dataset.drawn).forEach((plot) => draw(plot)));

  if (plots.length <= 2 || !("IntersectionObserver" in window)) {
    plots.forEach((plot) => draw(plot));
  } else {
    const observer = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        observer.unobserve(entry.target);
        draw(entry.target);
      });
    }, { rootMargin: "600px" });
    plots.forEach((plot) => observer.observe(plot));
  }

  // On paper: by day, and as wide as A4 between its margins, which is narrower than most windows.
  const paper = 680; // pixels
  window.addEventListener("beforeprint", () => plots.forEach((plot) => {
    draw(plot, false);
    plot.style.zoom = Math.min(1, paper / plot.clientWidth);
  }));
  window.addEventListener("afterprint", () => plots.forEach((plot) => {
    plot.style.zoom = "";
    draw(plot);
  }));
})();
