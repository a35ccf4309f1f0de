// Copyright: appsec.perimeter contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every visible piece of text whose contrast is below 4.5 to 1 (WCAG 2.2 AA, small text). Evaluated in the page.
(() => {
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (front, back) => front.slice(0, 3).map((value, i) => value * front[3] + back[i] * (1 - front[3]));
  const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const background = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
      if (layers[layers.length - 1][3] === 1) {
        break;
      }
    }
    return layers.reduceRight((back, layer) => over(layer, back), [255, 255, 255]);
  };
  const opacity = (node) => {
    let value = 1;
    for (let at = node; at; at = at.parentElement) {
      value *= Number(getComputedStyle(at).opacity);
    }
    return value;
  };
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest("script, style, option, :disabled, .skip")) {
      continue;
    }
    const style = getComputedStyle(node);
    const back = background(node);
    const colour = parse(node.closest("svg") ? style.fill : style.color);
    colour[3] *= opacity(node);
    const [light, dark] = [luminance(over(colour, back)), luminance(back)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) {
      found.set(node.tagName + "." + node.className, [Number(ratio.toFixed(2)), walker.currentNode.data.trim().slice(0, 40)]);
    }
  }
  return [...found];
})();
