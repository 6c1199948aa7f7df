// Orders. Owns the operator's token, as long as the page is open, and the sending of orders; without a token there are none.

import type { Order } from "../topics.js";
import { find, make, setText } from "./dom.js";
import type { State } from "./state.js";

let token = "";

export function hasToken(): boolean {
  return token !== "";
}

/** The answer's words; an order that was refused says why. */
export async function send(order: Order): Promise<string> {
  try {
    const answer = await fetch("/orders", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Foreshard-Operator": token },
      body: JSON.stringify(order),
    });
    const text = (await answer.text()).trim();
    if (answer.status === 401) token = "";
    return answer.ok ? "accepted" : text;
  } catch {
    return "the page's server does not answer";
  }
}

/** The form for the token, and the orders to nodes. */
export function createOperator(state: State, changed: () => void): { draw(): void } {
  const field = make("input", {
    type: "password",
    autocomplete: "off",
    "aria-label": "operator's token",
    placeholder: "token of operator.json",
  });
  const said = make("span", { class: "muted", role: "status" });
  const form = make("form", {}, field, make("button", { type: "submit" }, "operate"), said);
  const nodes = make("div", { class: "tools" });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token = field.value.trim();
    field.value = "";
    changed();
  });
  find("operator").append(form, nodes);
  let drawn = "";

  function draw(): void {
    find("operator").hidden = state.status?.orders !== true;
    const now = JSON.stringify([token !== "", state.shape?.nodes]);
    if (now === drawn) return;
    drawn = now;
    form.hidden = token !== "";
    nodes.replaceChildren();
    if (token === "") return;
    for (const { id, draining } of state.shape?.nodes ?? []) {
      const order = draining ? "undrain" : "drain";
      const button = make("button", { type: "button", click: () => void give(order, id) }, `${order} ${id}`);
      nodes.append(button);
    }
    nodes.append(said);
  }
  async function give(order: "drain" | "undrain", node: string): Promise<void> {
    if (order === "drain" && !window.confirm(`Move everything away from ${node}?`)) return;
    setText(said, "…");
    setText(said, `${order} ${node}: ${await send({ order, node })}`);
    drawn = "";
    changed();
  }
  return { draw };
}
