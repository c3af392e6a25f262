// One alignment, explored. Python computes; this draws, and sends back gamma, the order and the selection.

const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const SVG = "http://www.w3.org/2000/svg";
let count = 0;

const STYLE = `
.tc { --ink: var(--jp-ui-font-color1, #1a1a1a); --soft: var(--jp-ui-font-color2, #555); --line: var(--jp-border-color2, #ccc);
  --paper: var(--jp-layout-color1, #fff); --mark: var(--jp-layout-color2, #eee); --focus: #0072b2;
  color: var(--ink); background: var(--paper); font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); padding: 10px; container-type: inline-size; }
.tc * { box-sizing: border-box; }
.tc-controls { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; margin-bottom: 10px; }
.tc-controls label { display: inline-flex; gap: 8px; align-items: center; }
.tc-controls input[type=range] { width: 180px; accent-color: var(--focus); }
.tc-controls select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 3px; padding: 2px 4px; }
.tc-value { font-variant-numeric: tabular-nums; min-width: 4.5em; }
.tc :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.tc-main { display: grid; grid-template-columns: minmax(140px, 230px) 1fr; gap: 6px 14px; }
@container (max-width: 560px) { .tc-main { grid-template-columns: 1fr; } .tc-list { max-height: 11em; } }
.tc-list { list-style: none; margin: 0; padding: 0; overflow-y: auto; border: 1px solid var(--line); border-radius: 3px; max-height: 380px; align-self: start; }
.tc-list li { padding: 4px 8px; cursor: pointer; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-left: 4px solid transparent; }
.tc-list li[aria-selected=true] { background: var(--mark); border-left-color: var(--focus); font-weight: 600; }
.tc-panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(240px, 100%), 1fr)); gap: 14px; min-width: 0; }
.tc-panel { min-width: 0; } .tc-panel h4 { font-size: 13px; font-weight: 600; margin: 0 0 2px; } .tc-panel p { margin: 0 0 6px; color: var(--soft); font-variant-numeric: tabular-nums; }
.tc-plot { display: grid; grid-template-columns: auto 1fr; gap: 2px 6px; }
.tc-matrix { position: relative; aspect-ratio: var(--ratio); min-height: 90px; max-height: 340px; width: 100%; cursor: crosshair; background: repeating-linear-gradient(45deg, #b8b8b8 0 3px, #dedede 3px 6px); }
.tc-matrix canvas, .tc-matrix svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.tc-matrix canvas { image-rendering: pixelated; }
.tc-y { writing-mode: vertical-rl; transform: rotate(180deg); color: var(--soft); text-align: center; font-size: 12px; }
.tc-x { grid-column: 2; display: flex; justify-content: space-between; color: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.tc-scale { display: flex; gap: 8px; align-items: center; margin: 8px 0 0; color: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; flex-wrap: wrap; }
.tc-bar { width: 140px; height: 10px; border-radius: 2px; }
.tc-status { min-height: 1.4em; margin: 8px 0 0; font-variant-numeric: tabular-nums; }
.tc-strip { display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0 0; align-items: flex-end; }
.tc-strip figure { margin: 0; } .tc-strip figcaption { font-size: 12px; margin-top: 4px; color: var(--soft); }
.tc-frames { display: flex; gap: 2px; } .tc-frames div { background-repeat: no-repeat; image-rendering: pixelated; border-radius: 2px; }
.tc-strip strong { flex-basis: 100%; font-size: 13px; }
`;

/** An element with attributes, properties (those that start with a dot) and children. */
function element(tag, attributes = {}, ...children) {
  const made = tag === "svg" || tag === "polyline" || tag === "rect" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith(".")) made[name.slice(1)] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Bytes from the kernel as numbers. */
function floats(view) {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

const RGB = CIVIDIS.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

/** Colour of a share from 0 to 1, between the stops of the map. */
function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (RGB.length - 1);
  const low = Math.min(Math.floor(place), RGB.length - 2);
  return RGB[low].map((channel, c) => channel + (place - low) * (RGB[low + 1][c] - channel));
}

function render({ model, el }) {
  const [n, m] = model.get("_shape");
  const cost = floats(model.get("_cost"));
  const sentences = model.get("sentences");
  const orders = model.get("orders");
  const id = `tc-${count++}`;
  const finite = cost.filter(Number.isFinite);
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity), high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  let showing = "cost";

  // ---- parts
  const slider = element("input", { type: "range", min: -3, max: 1, step: 0.05, "aria-label": "gamma, smoothing of soft-DTW" });
  const gammaText = element("span", { class: "tc-value" });
  const choice = element("select", { "aria-label": "order to compare with" });
  choice.append(element("option", { value: -1 }, orders.length ? "nothing" : "no shuffled orders given"));
  orders.forEach((_, k) => choice.append(element("option", { value: k }, `shuffled order ${k + 1}`)));
  const layer = element("select", { "aria-label": "what the colours show" },
    element("option", { value: "cost" }, "cost and best path"), element("option", { value: "soft" }, "soft alignment"));
  const controls = element("div", { class: "tc-controls" },
    element("label", {}, "gamma", slider, gammaText), element("label", {}, "compare with", choice), element("label", {}, "show", layer));
  const list = element("ul", { class: "tc-list", role: "listbox", tabindex: 0, "aria-label": "sentences" });
  const options = sentences.map((text, i) => element("li", { role: "option", id: `${id}-${i}`, title: text, dir: "auto", "aria-selected": "false" }, text));
  list.append(...options);
  const panels = element("div", { class: "tc-panels" });
  const low_text = element("span"), high_text = element("span"), unit = element("span");
  const bar = element("div", { class: "tc-bar", ".style": `background: linear-gradient(90deg, ${CIVIDIS.join(",")})` });
  const scale = element("div", { class: "tc-scale" }, low_text, bar, high_text, unit);
  const status = element("p", { class: "tc-status", role: "status", "aria-live": "polite" });
  const strip = element("div", { class: "tc-strip" });
  // JupyterLab would take the arrow keys for the notebook, both by its shortcuts and on the way up
  const root = element("div", { class: "tc", "data-lm-suppress-shortcuts": "true" }, element("style", {}, STYLE), controls,
    element("div", { class: "tc-main" }, list, element("div", {}, panels, scale)), status, strip);
  el.replaceChildren(root);

  const sheet = model.get("_sheet"), [frames, height, width] = model.get("_frame_shape");
  const address = sheet.byteLength ? URL.createObjectURL(new Blob([sheet], { type: "image/png" })) : "";

  // ---- one panel per order shown
  const plots = ["true order", "shuffled order"].map((name, which) => {
    const canvas = element("canvas", { ".width": m, ".height": n });
    const overlay = element("svg", { viewBox: `0 0 ${m} ${n}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const matrix = element("div", { class: "tc-matrix", tabindex: 0, role: "application", "aria-roledescription": "matrix",
      "aria-label": `${name}: ${n} sentences by ${m} clips; arrow keys move over the cells`, ".style": `--ratio: ${Math.min(Math.max(m / n, 1), 3)}` }, canvas, overlay);
    const title = element("h4", {}, name), numbers = element("p");
    const panel = element("div", { class: "tc-panel" }, title, numbers, element("div", { class: "tc-plot" },
      element("span", { class: "tc-y" }, "sentence"), matrix, element("div", { class: "tc-x" }, element("span", {}, "0"), element("span", {}, "clip"), element("span", {}, String(m - 1)))));
    matrix.addEventListener("click", (event) => {
      const box = matrix.getBoundingClientRect();
      const at = (share, steps) => Math.min(steps - 1, Math.max(0, Math.floor(share * steps)));
      select(at((event.clientY - box.top) / box.height, n), columns(which)[at((event.clientX - box.left) / box.width, m)]);
    });
    matrix.addEventListener("keydown", (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -m], End: [0, m] }[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      const places = columns(which), to = (from, by, steps) => Math.min(steps - 1, Math.max(0, from + by));
      const row = model.get("selected"), column = places.indexOf(model.get("clip"));
      select(row < 0 ? 0 : to(row, move[0], n), places[column < 0 ? 0 : to(column, move[1], m)]);
    });
    return { panel, canvas, overlay, numbers };
  });

  /** Clip that stands in each column. */
  function columns(which) {
    return which === 0 ? [...Array(m).keys()] : orders[model.get("order")];
  }

  function select(sentence, clip) {
    model.set({ selected: sentence, clip });
    model.save_changes();
  }

  /** Clips that the best path gives to a sentence. */
  function clipsOf(which, sentence) {
    return (model.get("_paths")[which] ?? []).filter(([i]) => i === sentence).map(([, j]) => columns(which)[j]);
  }

  const written = (value) => (value === null || value === undefined ? "no path" : value.toFixed(3));

  function drawMatrices() {
    const shown = model.get("order") >= 0 && model.get("_paths").length > 1 ? 2 : 1;
    const soft = floats(model.get("_alignments"));
    const values = model.get("values");
    panels.replaceChildren(...plots.slice(0, shown).map((plot) => plot.panel));
    for (let which = 0; which < shown; which++) {
      const places = columns(which), context = plots[which].canvas.getContext("2d");
      const image = context.createImageData(m, n);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < m; j++) {
          const value = cost[i * m + places[j]];
          const share = showing === "cost" ? (value - low) / (high - low || 1) : soft[which * n * m + i * m + j];
          image.data.set([...colour(share), Number.isFinite(value) ? 255 : 0], 4 * (i * m + j));
        }
      }
      context.putImageData(image, 0, 0);
      const prefix = which ? "shuffled " : "";
      let text = `soft-DTW ${written(values[prefix + "soft-DTW"])}, DTW ${written(values[prefix + "DTW"])}`;
      const [own, other] = [values["shuffled soft-DTW"], values["soft-DTW"]];
      if (which && typeof own === "number" && typeof other === "number") text += ` (soft-DTW ${own >= other ? "+" : "−"}${Math.abs(own - other).toFixed(3)})`;
      plots[which].numbers.textContent = text;
    }
    [low_text.textContent, high_text.textContent, unit.textContent] = showing === "cost"
      ? [finite.length ? low.toFixed(2) : "", finite.length ? high.toFixed(2) : "", "cost (low: more alike); line: best path; hatched: forbidden"] : ["0", "1", "probability that an alignment visits the cell"];
    drawSelection();
  }

  function drawSelection() {
    const selected = model.get("selected"), clip = model.get("clip");
    const shown = panels.children.length;
    for (let which = 0; which < shown; which++) {
      const column = columns(which).indexOf(clip);
      const points = (model.get("_paths")[which] ?? []).map(([i, j]) => `${j + 0.5},${i + 0.5}`).join(" ");
      const line = (stroke, thick) => element("polyline", { points, fill: "none", stroke, "stroke-width": thick, "stroke-linecap": "round", "stroke-linejoin": "round", "vector-effect": "non-scaling-stroke" });
      const frame = (x, y, w, h, thick) => [["#fff", thick + 2], ["#d55e00", thick]].map(([stroke, size]) => element("rect", { x, y, width: w, height: h, fill: "none", stroke, "stroke-width": size, "vector-effect": "non-scaling-stroke" }));
      plots[which].overlay.replaceChildren(
        ...(showing === "cost" && points ? [line("#1a1a1a", 5), line("#fff", 2.5)] : []),
        ...(selected >= 0 ? frame(0, selected, m, 1, 1.5) : []),
        ...(column >= 0 ? frame(column, 0, 1, n, 1.5) : []),
        ...(selected >= 0 && column >= 0 ? frame(column, selected, 1, 1, 3) : []));
    }
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === selected)));
    if (selected >= 0) {
      list.setAttribute("aria-activedescendant", `${id}-${selected}`);
      const option = options[selected];
      if (option.offsetTop < list.scrollTop || option.offsetTop + option.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = option.offsetTop;
    } else list.removeAttribute("aria-activedescendant");
    drawWords(selected, clip, shown);
  }

  function drawWords(selected, clip, shown) {
    strip.replaceChildren();
    if (selected < 0) {
      status.textContent = "Choose a sentence in the list, or a cell of the matrix.";
      return;
    }
    if (clip >= 0) {
      const soft = floats(model.get("_alignments"))[selected * m + clip], value = cost[selected * m + clip];
      status.textContent = `sentence ${selected}, clip ${clip}: cost ${Number.isFinite(value) ? value.toFixed(3) : "forbidden"}, probability of visit ${soft.toFixed(3)}`;
    } else status.textContent = `sentence ${selected}: the best path gives it clip ${clipsOf(0, selected).join(", ") || "none"}`;
    if (!address) return;
    const groups = [["in the true order", clipsOf(0, selected)], ...(shown > 1 ? [["in the shuffled order", clipsOf(1, selected)]] : [])];
    strip.append(element("strong", { dir: "auto" }, sentences[selected]));
    const zoom = Math.max(1, Math.round(84 / height));
    for (const [name, clips] of groups) {
      for (const k of clips) {
        const pictures = Array.from({ length: frames }, (_, f) => element("div", { role: "img", "aria-label": `frame ${f} of clip ${k}`,
          ".style": `width: ${width * zoom}px; height: ${height * zoom}px; background-image: url(${address}); background-size: ${frames * width * zoom}px auto; background-position: ${-f * width * zoom}px ${-k * height * zoom}px;${k === clip ? " outline: 3px solid #d55e00;" : ""}` }));
        strip.append(element("figure", {}, element("div", { class: "tc-frames" }, ...pictures), element("figcaption", {}, `clip ${k}, ${name}`)));
      }
    }
  }

  function drawControls() {
    const gamma = model.get("gamma");
    slider.value = Math.log10(gamma);
    gammaText.textContent = String(Number(gamma.toPrecision(2)));
    slider.setAttribute("aria-valuetext", `gamma ${gammaText.textContent}`);
    choice.value = model.get("order");
  }

  // ---- what the reader does
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey && event.key !== "Escape") event.stopPropagation();
  });
  slider.addEventListener("input", () => {
    model.set("gamma", Math.min(10, Math.max(0.001, 10 ** Number(slider.value))));
    model.save_changes();
  });
  choice.addEventListener("change", () => {
    model.set("order", Number(choice.value));
    model.save_changes();
  });
  layer.addEventListener("change", () => {
    showing = layer.value;
    drawMatrices();
  });
  options.forEach((option, i) => option.addEventListener("click", () => select(i, -1)));
  list.addEventListener("keydown", (event) => {
    const now = model.get("selected");
    const next = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: n - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    select(Math.min(n - 1, Math.max(0, next)), -1);
  });

  // ---- what the kernel says
  const listeners = [["change:gamma change:order", drawControls], ["change:_alignments change:_paths change:order", drawMatrices], ["change:selected change:clip", drawSelection]];
  for (const [events, listener] of listeners) model.on(events, listener);
  drawControls();
  drawMatrices();
  return () => {
    for (const [events, listener] of listeners) model.off(events, listener);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
