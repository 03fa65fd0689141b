/** The icons: outlines in a square of 24 units, drawn with a line of 1.75. */

const circle = (x, y, radius) =>
  `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0`;

export const shapes = {
  back: "M19 12H5M11 6l-6 6 6 6",
  chart: "M4 20h16M7 16v-5M12 16V6M17 16v-8",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: `${circle(12, 12, 8)}M12 7.5V12l3 2`,
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  delete: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  "double-check": "M3 12.5l4.5 4.5L16 8M11.5 16l1 1L21 8",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19zM13.5 7l3.5 3.5",
  hash: "M9.5 4l-2 16M16.5 4l-2 16M5 9h15M4 15h15",
  key: `${circle(8, 15, 4)}M11 12l8.5-8.5M16 7l3 3`,
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  offline: "M4 4l16 16M8.5 15.5a5 5 0 0 1 7 0M5.5 12.2a9.5 9.5 0 0 1 4-2.4M13.5 9.6a9.5 9.5 0 0 1 5 2.6M12 19v.01",
  people: `${circle(9, 8, 3.5)}M2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.4c2 .8 3.2 2.7 3.5 5.6`,
  plus: "M12 5v14M5 12h14",
  react: `${circle(12, 12, 8.5)}M8.5 14c.8 1.5 2 2.2 3.5 2.2s2.7-.7 3.5-2.2M9 9.5v.01M15 9.5v.01`,
  reply: "M10 6l-6 5.5 6 5.5M4 11.5h9c4 0 6.5 2 7 6.5",
  retry: "M19 12a7 7 0 1 1-2-5M19 4v4h-4",
  search: `${circle(10.5, 10.5, 6)}M15 15l5 5`,
  send: "M4 12l16-8-5 16-3.5-6.5zM11.5 13.5L20 4",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  shield: "M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6z",
  "sign-out": "M14 4.5H5.5v15H14M10 12h10M16.5 8l4 4-4 4",
  user: `${circle(12, 8, 4)}M4.5 20.5c.5-4.5 3.5-6.5 7.5-6.5s7 2 7.5 6.5`,
  warning: "M12 4l9 16H3zM12 10v4.5M12 17.2v.01",
};
