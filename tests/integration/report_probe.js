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
      id: svg.getAttribute("aria-label"),
      width: box.width,
      height: box.height,
      texts: texts.length,
      line: Math.min(...texts.map((text) => text.box.height)),
      beyond: beyond(texts, box),
      overlaps: overlaps(texts),
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
  const text = document.querySelector("svg.chart text");
  return {
    scroll: root.scrollWidth,
    client: root.clientWidth,
    outside: outside.map((element) => `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}`),
    charts: [...document.querySelectorAll("svg.chart[role=img]")].map(chart),
    cut: cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent),
    colours: [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
      getComputedStyle(text).fill],
  };
})()
