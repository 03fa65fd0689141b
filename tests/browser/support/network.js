/**
 * The network between one browser and the stack: a proxy that all of the browser's traffic goes through, its service
 * workers' and its WebSockets' too. It can be cut and mended, it can be slow to pass on what a server answers, and it
 * lets nobody reach another host, but writes down who tried.
 */
import http from "node:http";
import net from "node:net";

export class Network {
  /** What was asked of other hosts. */
  strangers = [];
  /** What was asked of the stack: `{method, path, status, headers, bytes}`, the last those of the answer. */
  asked = [];
  #server;
  #sockets = new Set();
  #cut = false;
  #trap = false;
  #routes;

  /** @param {Map<string, {host: string, port: number}>} routes where the hosts (`name:port`) of the stack really are */
  constructor(routes) {
    this.#routes = routes;
    this.#server = http.createServer((request, response) => this.#forward(request, response));
    this.#server.on("connect", (request, socket, head) => this.#tunnel(request, socket, head));
    this.#server.on("connection", (socket) => this.#keep(socket));
  }

  /** Starts it and tells its address, as Chromium wants it. */
  async open() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Ends every connection, and lets none through until it is mended. */
  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Is cut as soon as the stack answers anything over a WebSocket: what was asked has arrived, and nobody knows. */
  cutsNextAnswer() {
    this.#trap = true;
  }

  get isCut() {
    return this.#cut;
  }

  mend() {
    this.#cut = false;
  }

  close() {
    this.cut();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket) {
    if (this.#cut) {
      socket.destroy();
      return;
    }
    // Of those to the stack some are used again.
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // Whoever is cut off hears of it; that is all there is to do.
    socket.on("error", () => socket.destroy());
  }

  #route(host, what) {
    const route = this.#routes.get(host);
    if (!route) this.strangers.push(what);
    return route;
  }

  #forward(request, response) {
    const url = new URL(request.url);
    const route = this.#route(`${url.hostname}:${url.port || 80}`, `${request.method} ${request.url}`);
    if (!route) {
      response.destroy();
      return;
    }
    const { method, rawHeaders: headers } = request;
    const onward = http.request({ ...route, method, path: url.pathname + url.search, headers }, (answer) => {
      const head = answer.rawHeaders.join("    ").length + "HTTP/1.1 200 OK    ".length;
      const entry = { method, path: url.pathname, status: answer.statusCode, headers: answer.headers, bytes: head };
      this.asked.push(entry);
      answer.on("data", (chunk) => {
        entry.bytes += chunk.length;
      });
      response.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on("socket", (socket) => this.#keep(socket));
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }

  #tunnel(request, socket, head) {
    const route = this.#route(request.url, `CONNECT ${request.url}`);
    if (!route) {
      socket.destroy();
      return;
    }
    const onward = net.connect(route.port, route.host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      onward.on("data", (chunk) => {
        if (this.#trap) {
          this.#trap = false;
          this.cut();
        } else socket.write(chunk);
      });
      socket.pipe(onward);
    });
    this.#keep(onward);
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  }
}
