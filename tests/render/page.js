// What a page looks like, asked of the page: text too pale to read, what lies outside, and what has the focus.
asked = {
  pale: () => {
  const lin = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const rgba = text => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * lin(r) + .7152 * lin(g) + .0722 * lin(b);
  const behind = one => { for (; one; one = one.parentElement) {
    const found = rgba(getComputedStyle(one).backgroundColor);
    if (found.length < 4 || found[3]) return found; } return [255, 255, 255]; };
  const pale = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let node; node = walk.nextNode();) {
    const box = node.parentElement;
    if (!node.data.trim() || box.closest('title,desc,style,script')) continue;
    seen++;
    const style = getComputedStyle(box), ink = rgba(box.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(box))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) pale.push([node.data.slice(0, 40), ratio, style.color]);
  }
  return [seen, pale];
},
  over: () => [...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && (box.right > innerWidth + .5 || box.left < -.5) && !one.closest('.away');
}).map(one => one.outerHTML.slice(0, 200)),
  focus: () => { const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return [one.tagName, style.outlineStyle, parseFloat(style.outlineWidth), box.width > 0, [...document.querySelectorAll('*')].indexOf(one)]; },
};
