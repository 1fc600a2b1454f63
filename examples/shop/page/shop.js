// The page: sends orders, shows the newest ones, and draws the revenue whenever it has changed.

const euros = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const at = (id) => document.getElementById(id);
const form = at("order");
let prices = {};
let shown = { total: "0.00", countries: [], minutes: [] };

// ---- small makers; text is only ever set as text, never as HTML

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// crypto.randomUUID exists on https and localhost only; a phone in the same network has neither.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

// ---- orders

let id = uuid();

function showPrice() {
  const cents = Math.round(Number(prices[form.tea.value]) * 100) * Number(form.packs.value || 0);
  at("price").textContent = euros.format(cents / 100);
}

async function order(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await send();
  } catch {
    // The id stays, so trying again cannot order twice.
    say("The shop cannot be reached. Please try again.", "bad");
  } finally {
    button.disabled = false;
  }
}

async function send() {
  const { customer, country, tea, packs } = Object.fromEntries(new FormData(form));
  const answer = await fetch("orders", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ id, customer, country, tea, packs: Number(packs) }),
  });
  // 409: a request whose answer was lost had placed it.
  if (!answer.ok && answer.status !== 409) {
    say("The shop could not take this order. Please look at it again.", "bad");
    return;
  }
  id = uuid();
  say(`Thank you, ${customer}: ${packs} × ${tea} for ${country}.`);
  await showOrders();
  await showOwn(answer.headers.get("Mainstem-Token"));
}

// With the token of the order, the answer holds the order: the server waits for the projection.
async function showOwn(token) {
  if (!token) return;
  const answer = await fetch("revenue", { headers: { "Mainstem-Token": token } });
  if (answer.headers.has("Mainstem-Stale")) {
    say(`${at("answer").textContent} The revenue will follow in a moment.`);
  }
  if (answer.ok) showRevenue(await answer.json());
}

function say(text, kind = "") {
  at("answer").textContent = text;
  at("answer").className = kind;
}

async function showOrders() {
  const answer = await fetch("orders");
  if (!answer.ok) return;
  const orders = await answer.json();
  const known = new Set(Array.from(at("orders").children, (item) => item.dataset.id));
  const items = orders.map((each) => orderItem(each, known.size > 0 && !known.has(each.id)));
  at("orders").replaceChildren(
    ...(items.length ? items : [element("li", { class: "empty", "data-id": "" }, "None yet: be the first.")]),
  );
}

function orderItem(each, isNew) {
  const time = element("time", { datetime: each.placed_at }, clock.format(new Date(each.placed_at)));
  return element(
    "li",
    { "data-id": each.id, class: isNew ? "new" : "" },
    element("b", {}, each.customer),
    element("span", { class: "sum" }, euros.format(each.total)),
    element("small", {}, `${each.packs} × ${each.tea} · ${each.country}`),
    time,
  );
}

// ---- revenue

function showRevenue(revenue) {
  const orders = (of) => of.countries.reduce((sum, each) => sum + each.orders, 0);
  if (orders(revenue) !== orders(shown)) showOrders();
  shown = revenue;
  at("total").value = euros.format(revenue.total);
  showPace(revenue.pace);
  drawChart();
  drawCountries(revenue.countries);
}

function showPace({ orders, revenue }) {
  at("pace").value = `${euros.format(revenue)} from ${orders} ${orders === 1 ? "order" : "orders"}`;
}

// The smallest of 1, 2 or 5 times a power of ten that is not below a third of the largest value.
function stepOf(largest) {
  const power = 10 ** Math.floor(Math.log10(largest / 3));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step * 3 >= largest);
}

function drawChart() {
  const chart = at("chart");
  const minutes = shown.minutes;
  const width = chart.clientWidth;
  const left = 44;
  const top = 8;
  const bottom = 156;
  const values = minutes.map((each) => Number(each.revenue));
  const largest = Math.max(10, ...values);
  const step = stepOf(largest);
  const ceiling = step * Math.ceil(largest / step);
  const y = (value) => bottom - (value / ceiling) * (bottom - top);
  const parts = [];
  for (let value = 0; value <= ceiling; value += step) {
    parts.push(shape("line", { x1: left, x2: width, y1: y(value), y2: y(value) }));
    parts.push(shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, `€${value}`));
  }
  const slot = (width - left) / Math.max(1, minutes.length);
  values.forEach((value, index) => {
    const name = `${clock.format(new Date(minutes[index].minute))}: ${euros.format(value)}`;
    const height = Math.max(bottom - y(value), 2);
    const place = { x: left + index * slot + slot * 0.15, width: slot * 0.7, y: bottom - height, height };
    const bar = { ...place, rx: Math.min(3, slot * 0.2), class: value ? "some" : "none" };
    parts.push(shape("rect", bar, shape("title", {}, name)));
  });
  if (minutes.length) parts.push(...times(minutes, left, width));
  chart.setAttribute("viewBox", `0 0 ${width} 180`);
  chart.replaceChildren(...parts);
  at("chart-words").textContent = inWords(minutes, values);
}

function times(minutes, left, width) {
  const first = clock.format(new Date(minutes[0].minute));
  return [
    shape("text", { x: left, y: 174 }, first),
    shape("text", { x: width, y: 174, "text-anchor": "end" }, "now"),
  ];
}

function inWords(minutes, values) {
  const best = values.indexOf(Math.max(...values));
  if (!values.some(Boolean)) return "No revenue in this time.";
  const sum = values.reduce((total, value) => total + value, 0);
  const time = clock.format(new Date(minutes[best].minute));
  return `${euros.format(sum)} in all, most of it at ${time}: ${euros.format(values[best])}.`;
}

function drawCountries(countries) {
  const largest = Math.max(1, ...countries.map((each) => Number(each.revenue)));
  const rows = countries.map((each) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * Number(each.revenue)) / largest}%`;
    const orders = element("span", { class: "unseen" }, String(each.orders));
    return element(
      "tr",
      { "data-country": each.country },
      element("th", { scope: "row" }, each.country),
      element("td", {}, orders, bar),
      element("td", {}, euros.format(each.revenue)),
    );
  });
  at("countries").tBodies[0].replaceChildren(...rows);
}

function follow() {
  const changes = new EventSource("revenue/changes");
  const live = (text, on) => {
    at("live").textContent = text;
    at("live").className = on ? "on" : "";
  };
  changes.onopen = () => live("live", true);
  changes.onmessage = (message) => showRevenue(JSON.parse(message.data));
  // The browser connects again by itself.
  changes.onerror = () => live("connecting", false);
}

async function begin() {
  prices = await (await fetch("prices")).json();
  for (const [tea, price] of Object.entries(prices)) {
    form.tea.append(element("option", { value: tea }, `${tea}, ${euros.format(price)}`));
  }
  form.addEventListener("input", showPrice);
  form.addEventListener("submit", order);
  showPrice();
  new ResizeObserver(drawChart).observe(at("chart"));
  await showOrders();
  follow();
}

begin();
