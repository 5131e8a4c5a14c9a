// Measures what a reader sees of a report's page.
(() => {
  const boxes = (elements) => [...elements].map((e) => ({ text: e.textContent, box: e.getBoundingClientRect() }));

  // Pairs whose boxes share more than a third of a line's height; lines set close to each other share less.
  const overlaps = (items) => {
    const found = [];
    items.forEach((a, i) => items.slice(i + 1).forEach((b) => {
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide > 0.5 && high > 0.3 * Math.min(a.box.height, b.box.height)) found.push(`${a.text} | ${b.text}`);
    }));
    return found;
  };

  const beyond = (items, frame) => items.filter(({ box }) =>
    box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1
  ).map(({ text }) => text);

  const chart = (svg) => {
    const [box, texts] = [svg.getBoundingClientRect(), boxes(svg.querySelectorAll("text"))];
    return {
      id: svg.id,
      width: box.width,
      height: box.height,
      texts: texts.length,
      line: Math.min(...texts.map((text) => text.box.height)),
      beyond: beyond(texts, box),
      overlaps: overlaps(texts),
    };
  };

  // How far the marks of a row lie from where the scale above them says that they are, in CSS pixels.
  const forest = (table) => {
    const zeros = [...table.querySelectorAll(".scale span")].filter((tick) => Number(tick.textContent) === 0);
    const rows = [...table.querySelectorAll("tbody tr:not(.group)")];
    const middle = (element) => { const box = element.getBoundingClientRect(); return box.left + box.width / 2; };
    return {
      labels: overlaps(boxes(table.querySelectorAll(".scale span"))),
      texts: rows.flatMap((row) => overlaps(boxes(row.querySelectorAll("th, td:not(.plot)")))),
      baseline: rows.filter((row) => row.querySelector(".tone-baseline"))
        .map((row) => Math.abs(middle(row.querySelector("use")) - middle(zeros[0]))),
    };
  };

  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const root = document.documentElement;
  const outside = [...document.body.querySelectorAll("*")].filter((element) => {
    if (!element.getClientRects().length || element.closest(".scroll, .skip, svg")) return false;
    const box = element.getBoundingClientRect();
    return box.right > root.clientWidth + 0.5 || box.left < -0.5;
  });
  const cells = [...document.querySelectorAll(".scroll td, .scroll th")];
  const text = document.querySelector("svg.chart text[font-weight='600']");
  return {
    scroll: root.scrollWidth,
    client: root.clientWidth,
    outside: outside.map((element) => `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}`),
    charts: [...document.querySelectorAll("svg.chart[role=img]")].map(chart),
    strips: [...document.querySelectorAll("td.plot svg")].filter((svg) => svg.getBoundingClientRect().width > 150).length,
    cut: cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent),
    forests: [...document.querySelectorAll("figure.forest > table")].map(forest),
    colours: [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
      getComputedStyle(text).fill],
  };
})()
