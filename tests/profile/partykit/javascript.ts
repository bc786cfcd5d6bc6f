// What is JavaScript's own in PartyKit's API: each path answers what comes of a few lines.

import type * as Party from "partykit/server";

/** What was refused, in PartyKit's words. */
async function refused(what: () => unknown) {
  try {
    return `done ${await what()}`;
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

export default class JavaScript implements Party.Server {
  /** Whom the alarm tells what it found. */
  alarmed: (found: string) => void = () => {};

  constructor(readonly room: Party.Room) {}

  static onBeforeRequest(request: Party.Request, lobby: Party.Lobby) {
    switch (new URL(request.url).search) {
      case "?lobby":
        return new Response(Object.keys(lobby).sort().join(" "));
      case "?throws-words":
        throw "some words";
      case "?throws-nothing":
        throw undefined;
    }
    return request;
  }

  /** What the last scheduled run was told. */
  static ran = "";

  static onCron(cron: Party.Cron) {
    const names = [];
    for (const name in cron) names.push(name);
    JavaScript.ran = `${names.sort().join(" ")}: ${cron.name} ${cron.cron} ${typeof cron.scheduledTime}`;
  }

  static onFetch(request: Party.Request, lobby: Party.FetchLobby, context: Party.ExecutionContext) {
    if (request.url.endsWith("/ran")) return new Response(JavaScript.ran);
    const found = { "/lobby": lobby, "/context": context }[new URL(request.url).pathname];
    if (!found) return null;
    const names = [];
    for (const name in found) names.push(name);
    return new Response(names.sort().join(" "));
  }

  getConnectionTags(connection: Party.Connection) {
    return [connection.id, "red"];
  }

  onConnect(connection: Party.Connection<any>, { request }: Party.ConnectionContext) {
    if (new URL(request.url).searchParams.has("listens"))
      connection.addEventListener("message", (message) => connection.send(`listened to ${message.data}`));
  }

  async onMessage(message: string, from: Party.Connection<any>) {
    const of = (bytes: number[]) => new Uint8Array(bytes);
    switch (message) {
      case "state":
        return from.send(JSON.stringify([from.state, from.setState({ n: 1 }), from.setState((old: any) => ({ n: old.n + 1 })), from.state]));
      case "state-kept": {
        const state = { n: 1 };
        from.setState(state);
        return from.send(String(from.state === state));
      }
      case "view":
        return from.send(of([1, 2, 3, 4]).subarray(1, 3));
      case "view-to-all":
        return this.room.broadcast(of([1, 2, 3, 4]).subarray(1, 3));
      case "bad-close":
        return from.send(await refused(() => from.close(999)));
      case "constants":
        return from.send([WebSocket.OPEN, (from as any).OPEN, from.readyState].join(" "));
      case "deprecated":
        return from.send([from.socket === (from as any), this.room.connections.size, Object.keys(this.room.parties).sort()].join(" "));
      case "same":
        return from.send(String(this.room.getConnection(from.id) === from));
    }
  }

  onAlarm() {
    this.alarmed(refusedNow(() => this.room.id));
  }

  async onRequest(request: Party.Request): Promise<any> {
    const { storage } = this.room;
    const name = new URL(request.url).pathname.split("/").at(-1)!;
    const answer = async () => {
      switch (name) {
        case "method":
          return `${request.method} ${request.url} ${await request.text()}`;
        case "values": {
          const value = {
            date: new Date(5), map: new Map([[1, 2]]), set: new Set([3]), pattern: /a/g, error: new RangeError("x"),
            bytes: new Uint8Array([1, 2]), zero: -0, none: NaN, absent: undefined, big: 10n,
          };
          await storage.put("value", value);
          const found = (await storage.get<typeof value>("value"))!;
          return [found.date.getTime(), found.map.get(1), found.set.has(3), found.pattern, found.error.name, found.bytes,
            Object.is(found.zero, -0), found.none, "absent" in found, found.big].join(" ");
        }
        case "snapshot": {
          const value = { n: 1 };
          const put = storage.put("value", value);
          value.n = 2;
          await put;
          const [one, other] = [await storage.get<any>("value"), await storage.get<any>("value")];
          return [one.n, one === other].join(" ");
        }
        case "undefined":
          return refused(() => storage.put("value", undefined));
        case "function":
          return refused(() => storage.put("value", () => 1));
        case "long-key":
          return refused(() => storage.put("k".repeat(2049), 1));
        case "large-value":
          return refused(() => storage.put("value", "v".repeat(131102)));
        case "many-keys":
          return refused(() => storage.get(Array.from({ length: 129 }, (_, index) => `${index}`)));
        case "range":
          return refused(() => storage.list({ start: "a", startAfter: "b" }));
        case "limit":
          return refused(() => storage.list({ limit: 0 }));
        case "alarm-at-0":
          return refused(() => storage.setAlarm(0));
        case "alarm-as-date": {
          await storage.setAlarm(new Date(4102444800000));
          return storage.getAlarm();
        }
        case "transaction": {
          await storage.put("n", 0);
          const kept = storage.transaction(async (txn) => void (await txn.put("n", 1)));
          await kept;
          const failed = await refused(() => storage.transaction(async (txn) => {
            await txn.put("n", 2);
            throw new Error("told to fail");
          }));
          await storage.transaction(async (txn) => {
            await txn.put("n", 3);
            txn.rollback();
          });
          return `${await storage.get("n")}, ${failed}`;
        }
        case "sync":
          return String(await storage.sync());
        case "alarm-room": {
          const found = new Promise<string>((resolve) => (this.alarmed = resolve));
          await storage.setAlarm(Date.now());
          return found;
        }
        case "get-many": {
          await storage.put({ b: 1, a: 2 });
          const found = await storage.get(["b", "missing", "a"]);
          return [found instanceof Map, ...found.keys()].join(" ");
        }
        case "options":
          return refused(() => storage.put("n", 1, { allowUnconfirmed: true, allowConcurrency: true, noCache: true }));
        case "backend":
          return [typeof (storage as any).sql, typeof (storage as any).kv, typeof (storage as any).transactionSync].join(" ");
        case "transaction-sync":
          return refused(() => (storage as any).transactionSync(() => 1));
        case "internal-id":
          return this.room.internalID.replace(/^[0-9a-f]{64}$/, "64 digits");
        case "parties":
          return Object.keys(this.room.context.parties).sort().join(" ");
        case "connections": {
          const all = this.room.getConnections();
          return [Array.isArray(all), typeof all[Symbol.iterator], typeof (all as any).next].join(" ");
        }
        case "nobody":
          return String(this.room.getConnection("nobody"));
        case "cf": {
          const { country, city, colo, timezone, latitude, longitude } = request.cf as any;
          return [country, city, colo, timezone, latitude, longitude].join(" ");
        }
        case "bad-path":
          return refused(() => this.room.context.parties.main.get("x").fetch("method"));
        case "no-socket":
          return refused(() => this.room.context.parties.main_party.get("start-fails-x").socket("/"));
        case "fetch-request":
          return (await this.room.context.parties.main.get("method").fetch(
            new Request("http://other.example/method", { method: "PUT", body: "words" }) as any)).text();
        case "throw-word":
          throw "some words";
        case "throw-code":
          throw Object.assign(new Error("told to fail"), { code: "ENOENT" });
        case "throw-object":
          throw { message: "some words", code: 409 };
        case "env":
          return JSON.stringify(this.room.env);
      }
    };
    return new Response(String(await answer()));
  }
}

/** The same, at once. */
function refusedNow(what: () => unknown) {
  try {
    return `done ${what()}`;
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}
