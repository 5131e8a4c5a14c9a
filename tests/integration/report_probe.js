// Measures what a reader sees: of a report's page, and of a chart that stands alone.
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

  const centre = (element) => {
    const box = element.getBoundingClientRect();
    return box.left + box.width / 2;
  };

  const inside = (element, row) => {
    const [box, frame] = [element.getBoundingClientRect(), row.getBoundingClientRect()];
    return box.height > 20 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
  };

  const forestRow = (row) => {
    const svg = row.querySelector("td.plot > svg");
    const marks = boxes(svg.querySelectorAll("line.seeds, line.groups"));
    return {
      zero: centre(svg.querySelector("line.zero")),
      inside: inside(svg, row),
      marks: marks.length,
      beyond: beyond(marks, svg.getBoundingClientRect()).length,
      narrow: [...row.cells].filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent),
      overlaps: overlaps(boxes(row.querySelectorAll("th, td:not(.plot)"))),
    };
  };

  const forest = (table) => {
    const ticks = [...table.querySelectorAll("thead svg text")];
    return {
      zero: ticks.filter((tick) => Number(tick.textContent) === 0).map(centre),
      labels: overlaps(boxes(ticks)),
      rows: [...table.querySelectorAll("tbody tr:not(.group)")].map(forestRow),
    };
  };

  const chart = (svg) => {
    const box = svg.getBoundingClientRect();
    const texts = boxes(svg.querySelectorAll("text"));
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

  const fillOf = (css) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.innerHTML = `<text class="${css}">x</text>`;
    document.body.append(svg);
    const fill = getComputedStyle(svg.firstChild).fill;
    svg.remove();
    return fill;
  };

  return {
    page() {
      document.querySelectorAll("details").forEach((details) => { details.open = true; });
      const root = document.documentElement;
      const outside = [...document.body.querySelectorAll("*")].filter((element) => {
        if (!element.getClientRects().length || element.closest(".scroll, .skip, svg")) return false;
        const box = element.getBoundingClientRect();
        return box.right > root.clientWidth + 0.5 || box.left < -0.5;
      });
      const classes = ["label", "small", "better", "worse", "neutral", "baseline"];
      return {
        scroll: root.scrollWidth,
        client: root.clientWidth,
        outside: outside.map((element) => `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}`),
        charts: [...document.querySelectorAll("svg.chart")].map(chart),
        cells: document.querySelectorAll(".scroll td, .scroll th").length,
        cut: [...document.querySelectorAll(".scroll td, .scroll th")].filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
          .map((cell) => cell.textContent),
        boxes: [...document.querySelectorAll(".scroll")].map((box) => [box.scrollHeight, box.clientHeight]),
        forests: [...document.querySelectorAll("figure.forest > table")].map(forest),
        ground: getComputedStyle(document.body).backgroundColor,
        ink: getComputedStyle(document.body).color,
        colours: Object.fromEntries(classes.map((css) => [css, fillOf(css)])),
      };
    },
    chart() {
      const svg = document.documentElement;
      return {
        ...chart(svg),
        ground: getComputedStyle(svg.querySelector(".ground")).fill,
        inks: [...new Set([...svg.querySelectorAll("text")].map((text) => getComputedStyle(text).fill))],
      };
    },
  };
})()
