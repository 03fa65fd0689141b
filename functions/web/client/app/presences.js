// Who is online. Asked for per conversation, once for each connection; from then on the connection tells.

export class Presences {
  #api;
  #tell;
  #known = new Map();
  #asked = new Set();

  /**
   * @param {typeof import("./api.js").api} api
   * @param {(userId: string) => void} tell called when somebody's presence is another one
   */
  constructor(api, tell) {
    this.#api = api;
    this.#tell = tell;
  }

  /** @returns {{online: boolean, last_seen: string|null}|null} null when it is not known */
  of(userId) {
    return this.#known.get(userId) ?? null;
  }

  learn({ user_id, online, last_seen }) {
    const known = this.of(user_id);
    if (known?.online === online && known.last_seen === last_seen) return;
    this.#known.set(user_id, { online, last_seen });
    this.#tell(user_id);
  }

  /** Asks for the presence of a conversation's people, unless that was done. */
  async ask(conversationId) {
    if (this.#asked.has(conversationId)) return;
    this.#asked.add(conversationId);
    // Without an answer nobody is shown as online, which is what is known.
    const { items } = await this.#api.get(`/conversations/${conversationId}/presence`, { limit: 100 }).catch(() => ({ items: [] }));
    for (const presence of items) this.learn(presence);
  }

  async askInTurn(conversationIds) {
    for (const id of conversationIds) await this.ask(id);
  }

  /** What was told is no longer kept up to date: a connection has ended. */
  forget() {
    const told = [...this.#known.keys()];
    this.#known.clear();
    this.#asked.clear();
    for (const userId of told) this.#tell(userId);
  }
}
