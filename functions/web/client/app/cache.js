// What was loaded, kept in IndexedDB so that the next start shows it at once, also offline, and the messages that are not sent
// yet, so that a reload sends them. Everything is kept under the id of who is signed in, and all of it is deleted when they
// sign out, the drafts of this tab, too. A browser without IndexedDB, or with a full disk, goes on without a cache: no method ever fails.
//
// conversations  [user, conversation] → {conversation, last}: its object, and the last seq that its log holds
// logs           [user, conversation] → the log, as RoomState.toLog has it
// outbox         [user, client_id]    → {client_id, conversation_id, content, reply_to, created_at, error}
const NAME = "chat";
const VERSION = 1;
const STORES = ["conversations", "logs", "outbox"];
/** How the keys of drafts begin in sessionStorage. */
const DRAFTS = "chat.draft.";

/** All that is kept of one conversation or one person: arrays sort above strings. */
const within = (...key) => IDBKeyRange.bound(key, [...key, []]);

export class Cache {
  #database;
  #user = null;

  /**
   * From here on reads and writes are those of one person. What another one left behind, whose session was lost without
   * signing out, is deleted.
   * @param {string} userId
   * @returns {Promise<{conversations: Array<{conversation: object, last: number}>, outbox: object[]}>} what is kept of them
   */
  async open(userId) {
    this.#user = userId;
    const [conversations, outbox] = await Promise.all(
      ["conversations", "outbox"].map((store) => this.#run("readonly", (stores) => stores[store].getAll(within(userId)))),
    );
    this.#run("readwrite", (stores) => {
      for (const store of Object.values(stores)) {
        store.delete(IDBKeyRange.upperBound([userId], true));
        store.delete(IDBKeyRange.lowerBound([userId, []], true));
      }
    });
    return { conversations: conversations ?? [], outbox: outbox ?? [] };
  }

  /** From here on nothing is read or written, however late a write comes. */
  close() {
    this.#user = null;
  }

  /** The log of a conversation, or undefined. */
  log(conversationId) {
    return this.#run("readonly", ({ logs }, user) => logs.get([user, conversationId]));
  }

  /**
   * Keeps conversations, each with its log and the seq up to which that goes, so that these always belong together.
   * @param {Array<{conversation: object, last: number, log: object|null}>} records a log that is null stays as it is
   */
  save(records) {
    return this.#run("readwrite", ({ conversations, logs }, user) => {
      for (const { conversation, last, log } of records) {
        conversations.put({ conversation, last }, [user, conversation.id]);
        if (log) logs.put(log, [user, conversation.id]);
      }
    });
  }

  /** Forgets the log of a conversation that has moved on too far to be brought up to date. */
  dropLog(conversationId) {
    return this.#run("readwrite", ({ logs }, user) => logs.delete([user, conversationId]));
  }

  /** Forgets a conversation that one is no longer in. @param {string[]} clientIds of its messages that were not sent */
  drop(conversationId, clientIds) {
    return this.#run("readwrite", ({ conversations, logs, outbox }, user) => {
      conversations.delete([user, conversationId]);
      logs.delete([user, conversationId]);
      for (const clientId of clientIds) outbox.delete([user, clientId]);
    });
  }

  /** Keeps a message that is not sent yet. */
  keepSend(send) {
    return this.#run("readwrite", ({ outbox }, user) => outbox.put(send, [user, send.client_id]));
  }

  dropSend(clientId) {
    return this.#run("readwrite", ({ outbox }, user) => outbox.delete([user, clientId]));
  }

  /** Deletes everything, whoever it was of. */
  clear() {
    this.close();
    dropDrafts();
    return this.#run("readwrite", (stores) => STORES.forEach((name) => stores[name].clear()), "");
  }

  /** Runs `work` in one transaction over all stores and resolves to what its request found; undefined when it fails. */
  async #run(mode, work, user = this.#user) {
    if (user === null) return undefined;
    try {
      const database = await (this.#database ??= connect());
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORES, mode);
        const stores = Object.fromEntries(STORES.map((name) => [name, transaction.objectStore(name)]));
        const request = work(stores, user);
        transaction.oncomplete = () => resolve(request?.result);
        transaction.onabort = () => reject(transaction.error);
      });
    } catch {
      return undefined;
    }
  }
}

function dropDrafts() {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(DRAFTS)) sessionStorage.removeItem(key);
  } catch {
    // A browser that refuses it has kept none.
  }
}

function connect() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
    request.onsuccess = () => {
      // A page with a later version of this may change the stores; here it goes on without them.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
}
