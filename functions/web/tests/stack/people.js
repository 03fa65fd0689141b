/** People of a running stack, and a network between them and it that can be cut. */
import { connect, createServer } from "node:net";
import { randomUUID } from "node:crypto";

import { ChatClient } from "../../client/client.js";

const base = process.env.CHAT_URL;
if (!base) throw new Error("CHAT_URL must say where the stack is, for example http://localhost:8080");

/** A request, with what it answers. */
export async function call(method, path, token, body) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(new URL(path, base), { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw Object.assign(new Error(`${method} ${path}: ${text}`), { status: response.status });
  return text ? JSON.parse(text) : null;
}

/** Signs somebody new up. */
export async function person(name) {
  const account = { first_name: name, last_name: "Test", password: `Aa1!${randomUUID()}` };
  const email = `${name.toLowerCase()}-${randomUUID()}@example.com`;
  const { user, access_token } = await call("POST", "/api/v1/auth/signup", null, { ...account, email });
  return { ...user, token: access_token, call: (method, path, body) => call(method, path, access_token, body) };
}

/** A network of one's own on the way to the stack's WebSockets. */
export class Network {
  #server;
  #pairs = new Set();
  #target = null;
  down = false;

  constructor() {
    this.#server = createServer((near) => this.#accept(near));
  }

  /** The same address, through this network. */
  async through(url) {
    if (!this.#target) {
      await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
      this.#target = new URL(url);
    }
    const address = new URL(url);
    address.hostname = "127.0.0.1";
    address.port = this.#server.address().port;
    return address.href;
  }

  #accept(near) {
    if (this.down) {
      near.destroy();
      return;
    }
    const far = connect(this.#target.port || 80, this.#target.hostname);
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const end of pair) {
      end.on("error", () => {});
      end.on("close", () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  }

  /** Cuts every connection there is. */
  cut() {
    for (const pair of this.#pairs) for (const end of pair) end.destroy();
  }

  close() {
    this.cut();
    this.#server.close();
  }
}

/** A client of somebody's, on a network of its own, and everything that it tells. */
export function clientOf(someone) {
  const network = new Network();
  const ticket = async () => {
    const { url, ticket } = await someone.call("POST", "/api/v1/auth/ws-ticket");
    return { url: await network.through(url), ticket };
  };
  const client = new ChatClient({ ticket, me: () => someone.id });
  const told = { page: [], entry: [], signal: [], ended: [], state: [], unauthenticated: [] };
  for (const [type, list] of Object.entries(told)) client.on(type, (event) => list.push(event));
  const close = () => {
    client.stop();
    network.close();
  };
  return { client, network, told, close };
}

/** Waits until something holds, at most 20 s. */
export async function until(what, holds) {
  const patience = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > patience) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
