// The style of all views: a theme of a few colours, taken from JupyterLab where there is one, and the controls.

export const BASE_STYLE = `
.tc {
  --ink: var(--jp-ui-font-color1, light-dark(#1d1f21, #e8e6e3));
  --soft: var(--jp-ui-font-color2, light-dark(#63676b, #a3a7ab));
  --line: var(--jp-border-color2, light-dark(#dfe1e3, #3a3e42));
  --paper: var(--jp-layout-color1, light-dark(#ffffff, #17191c));
  --raised: var(--jp-layout-color2, light-dark(#f4f5f6, #22262a));
  --accent: light-dark(#c2410c, #ff8f57);
  --tint: light-dark(#005a8c, #7cc4f2);
  --wash: light-dark(rgba(194, 65, 12, .10), rgba(255, 143, 87, .16));
  --faint: color-mix(in srgb, var(--line) 55%, transparent);
  --margin: 38px; /* of a heat map, left of its cells */
  color: var(--ink); background: var(--paper);
  font: 13px/1.45 var(--jp-ui-font-family, system-ui, -apple-system, "Segoe UI", sans-serif);
  padding: 16px; container-type: inline-size; font-variant-numeric: tabular-nums; text-align: start;
}
.tc *, .tc *::before { box-sizing: border-box; }
.tc h3, .tc h4, .tc p, .tc ul, .tc figure { margin: 0; padding: 0; }
.tc h4 { font-size: 13px; font-weight: 600; }
.tc-soft { color: var(--soft); }
.tc button, .tc select {
  font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 6px;
  padding: 3px 10px; cursor: pointer; min-height: 28px;
}
.tc select { background: var(--paper); padding: 3px 6px; }
.tc button:hover:not(:disabled), .tc select:hover { border-color: var(--soft); }
.tc button:disabled { opacity: .45; cursor: default; }
.tc button[aria-pressed=true] {
  background: var(--wash); border-color: var(--accent); color: var(--accent); font-weight: 600;
}
.tc :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.tc input[type=range] {
  accent-color: var(--accent); width: 100%; min-width: 0; margin: 0; cursor: pointer; height: 20px;
}
.tc input[type=range]:focus-visible { outline-offset: 0; border-radius: 5px; }
.tc-slider {
  display: grid; grid-template-columns: 1fr auto; gap: 0 8px; min-width: 120px; flex: 1 1 150px; max-width: 230px;
}
.tc-slider span { font-size: 12px; color: var(--soft); white-space: nowrap; }
.tc-slider output { font-size: 12px; font-weight: 600; text-align: end; }
.tc-slider input { grid-column: 1 / -1; }
.tc-slider[hidden] { display: none; }
.tc-bar { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: end; }
.tc-group {
  display: flex; flex-wrap: wrap; gap: 6px; align-items: center; border: 0; margin: 0; padding: 0; min-width: 0;
}
.tc-group > legend { font-size: 12px; color: var(--soft); padding: 0; float: left; margin-inline-end: 4px; }
.tc-map {
  position: relative; width: 100%; touch-action: none; cursor: crosshair; border-radius: 4px; user-select: none;
}
.tc-map canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; border-radius: 4px; }
.tc-head {
  display: flex; flex-wrap: wrap; gap: 0 10px; padding-inline-start: var(--margin); margin-bottom: 4px;
  overflow-wrap: anywhere;
}
.tc-scale { display: inline-flex; gap: 6px; align-items: center; }
.tc-scale canvas { width: 110px; height: 8px; border-radius: 4px; }
.tc-cut { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tc-hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.tc-problem { border-inline-start: 3px solid var(--accent); background: var(--wash); padding: 8px 12px; }
@container (max-width: 640px) { .tc-head { padding-inline-start: 0; } }
@media (prefers-reduced-motion: no-preference) {
  .tc button { transition: background-color .12s, border-color .12s; }
}
`;
