// What the party of the table does, as one writes it for partyserver. `../parties/main.rs` is the same in Rust, word for word.

import { Server, getServerByName } from "partyserver";

export class Main extends Server {
  /** What has happened in the room, in order. */
  told = [];
  /** Who waits until something has happened. */
  waiting = [];
  /** What goes on when it is told to. */
  gates = [];

  /** How connections have gone. */
  closes = [];
  /** How often the alarm is to fail yet. */
  fails = 0;
  /** When it has rung last. */
  rang = null;

  tell(line) {
    this.told.push(line);
    for (const { word, come } of this.waiting) if (line.startsWith(word)) come();
  }

  async onStart() {
    this.tell("start");
    if (this.name.startsWith("start-"))
      await this.ctx.storage.put("starts", ((await this.ctx.storage.get("starts")) ?? 0) + 1);
    if (this.name.startsWith("start-fails-") && !this.hasFailed) {
      this.hasFailed = true;
      throw new Error("told to fail");
    }
    if (this.name.startsWith("start-takes-")) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      this.tell("started");
    }
  }

  getConnectionTags(_, { request }) {
    const query = new URL(request.url).searchParams;
    if (query.has("tag")) return query.getAll("tag");
    if (query.has("tags")) return Array.from({ length: Number(query.get("tags")) }, (_, index) => `t${index}`);
    if (query.has("tag-chars")) return ["x".repeat(Number(query.get("tag-chars")))];
    if (query.has("tags-fail")) throw new Error(query.get("tags-fail"));
    return [];
  }

  async onConnect(connection, { request }) {
    const query = new URL(request.url).searchParams;
    this.tell("connect");
    if (query.has("say")) connection.send(query.get("say"));
    if (query.has("url")) connection.send(request.url);
    if (query.has("header")) connection.send(String(request.headers.get(query.get("header"))));
    if (query.has("headers")) connection.send([...request.headers.keys()].sort().join(" "));
    if (query.has("waits")) {
      await new Promise((resolve) => this.gates.push(resolve));
      this.tell("connected");
    }
    if (query.has("closes")) connection.close(4000, "at once");
    if (query.has("fails")) throw new Error(query.get("fails"));
    if (query.has("fails-long")) throw new Error("é".repeat(Number(query.get("fails-long"))));
  }

  onMessage(from, message) {
    if (typeof message !== "string") {
      this.tell(`message of ${message.byteLength} bytes`);
      return from.send(message);
    }
    const [word, ...rest] = message.split(" ");
    const about = rest.join(" ");
    this.tell(`message ${word.slice(0, 20)}`);
    const attempt = (what) => {
      try {
        what();
        from.send("done");
      } catch {
        from.send("refused");
      }
    };
    switch (word) {
      case "echo":
        return from.send(about);
      case "id":
        return from.send(from.id);
      case "uri":
        return from.send(String(from.uri));
      case "state-of-socket":
        return from.send(String(from.readyState));
      case "fail":
        throw new Error(about);
      case "close":
        return about ? from.close(Number(rest[0]), rest.slice(1).join(" ")) : from.close();
      case "try-close":
        return attempt(() => from.close(Number(rest[0]), rest[1]));
      case "close-long":
        return from.close(4000, "x".repeat(Number(about)));
      case "close-then-send":
        from.close(4000, "enough");
        return from.send("never seen");
      case "large":
        return from.send("x".repeat(Number(about)));
      case "all":
        return this.broadcast(about);
      case "others":
        return this.broadcast(about, [from.id]);
      case "tagged":
        for (const one of this.getConnections(rest[0])) one.send(rest[1]);
        return;
      case "who":
        return from.send([...this.getConnections()].map((one) => one.id).join(" "));
      case "put-out": {
        this.getConnection(rest[0]).close(4000, "out");
        return this.broadcast(rest[1]);
      }
      case "remember":
        return attempt(() => from.setState("x".repeat(Number(about))));
      case "recall":
        return from.send(String(from.state?.length ?? 0));
    }
  }

  onClose(connection, code, reason, wasClean) {
    this.closes.push(`${code} ${reason || "-"} ${wasClean ? "clean" : "not clean"}`);
    const listed = [...this.getConnections()].includes(connection);
    this.tell(`close ${connection.readyState} ${listed ? "listed" : "not listed"}`);
  }

  onError(_, error) {
    this.tell(`error ${error.message}`);
  }

  async onRequest(request) {
    const url = new URL(request.url);
    // Behind the prefix, the party and the room, each behind one slash or several.
    let path = url.pathname;
    for (const _ of [...(this.env.options.prefix ?? "parties").split("/"), "party", "room"])
      path = path.replace(/^\/+[^/]*/, "");
    path = path.replace(/^\/+/, "");
    const about = decodeURIComponent(url.search.slice(1));
    const storage = this.ctx.storage;
    const attempt = async (what) => {
      try {
        await what();
        return new Response("done");
      } catch {
        return new Response("refused");
      }
    };
    switch (path) {
      case "log":
        if (about && !this.told.some((line) => line.startsWith(about)))
          await new Promise((come) => this.waiting.push({ word: about, come }));
        return new Response(this.told.join(", "));
      case "closes":
        return new Response(this.closes.join(", "));
      case "release":
        for (const open of this.gates.splice(0)) open();
        return new Response("done");
      case "request":
        return new Response(`${request.method} ${request.url}`);
      case "header":
        return new Response(String(request.headers.get(about)));
      case "headers":
        return new Response([...request.headers.keys()].sort().join(" "));
      case "body":
        return new Response(await request.text());
      case "size":
        return new Response(String((await request.arrayBuffer()).byteLength));
      case "bytes":
        return new Response(new Uint8Array([0, 1, 2, 255]));
      case "status":
        return new Response(null, { status: Number(about) });
      case "with-headers": {
        const response = new Response("", { headers: { "x-one": "1", "content-type": "application/json" } });
        response.headers.append("set-cookie", "a=1");
        response.headers.append("set-cookie", "b=2");
        return response;
      }
      case "own-cors":
        return new Response(null, { headers: { "access-control-allow-origin": "https://own.example" } });
      case "fail":
        throw new Error(about);
      case "fail-with":
        throw Object.assign(new Error("told to fail"), { code: Number(about) });
      case "all":
        this.broadcast(about);
        return new Response("done");
      case "who":
        return new Response([...this.getConnections()].map((one) => one.id).join(" "));
      case "key":
        return attempt(() => storage.put("k".repeat(Number(about)), 1));
      case "value":
        return attempt(() => storage.put("value", new Uint8Array(Number(about))));
      case "get-many":
        return attempt(() => storage.get(Array.from({ length: Number(about) }, (_, index) => `${index}`)));
      case "alarm":
        await storage.setAlarm(Date.now() + Number(about));
        return new Response("done");
      case "alarm-at":
        return attempt(() => storage.setAlarm(Number(about)));
      case "alarm-fails":
        this.fails = Number(about);
        return new Response("done");
      case "alarm-when":
        return new Response(await this.whenItRings());
      case "no-alarm":
        await storage.deleteAlarm();
        return new Response("done");
      case "delete-all":
        await storage.deleteAll();
        return new Response("done");
      case "put":
        return attempt(() => storage.put(about, 1));
      case "delete":
        return new Response(String(await storage.delete(about)));
      case "list": {
        const query = url.searchParams;
        const value = (name) => query.get(name) ?? undefined;
        const keys = await storage.list({
          prefix: value("prefix"),
          start: value("start"),
          startAfter: value("after"),
          end: value("end"),
          limit: query.has("limit") ? Number(query.get("limit")) : undefined,
          reverse: query.has("reverse"),
        });
        // The name of the room, which partyserver keeps for itself.
        return new Response([...keys.keys()].filter((key) => key !== "__ps_name").join(" "));
      }
      case "ask": {
        const [party, other, ...way] = about.split("/");
        try {
          const binding = Object.keys(this.env).find((name) => name.toLowerCase() === party);
          const room = await getServerByName(this.env[binding], other);
          const answer = await room.fetch(`http://rooms.internal/parties/${party}/${other}/${way.join("/")}`);
          return new Response(`${answer.status} ${await answer.text()}`);
        } catch {
          return new Response("refused");
        }
      }
      case "starts":
        return new Response(String((await storage.get("starts")) ?? 0));
      case "count": {
        const count = ((await storage.get("count")) ?? 0) + 1;
        await storage.put("count", count);
        return new Response(String(count));
      }
    }
    return new Response(`${request.headers.get("x-partykit-namespace")} ${this.name} ${path}`);
  }

  /** Whether an alarm is set. */
  async whenItRings() {
    return (await this.ctx.storage.getAlarm()) === null ? "none" : "set";
  }

  async onAlarm() {
    const before = this.rang;
    this.rang = Date.now();
    if (before === null) {
      this.tell(`alarm of ${this.name}`);
    } else {
      // A pause is a power of two, and up to a quarter more.
      const pause = Math.floor(Math.log2(Math.max(Math.floor((this.rang - before) / 1000), 1)));
      this.tell(`again after ${1 << pause} s`);
    }
    this.broadcast(`the alarm is ${await this.whenItRings()}`);
    if (this.fails > 0) {
      this.fails -= 1;
      throw new Error("told to fail");
    }
  }
}

/** The same on the hibernating API, which differs in places. */
export class Hibernating extends Main {
  static options = { hibernate: true };
}

/** A party that answers no requests. */
export class Requestless extends Server {
  onMessage(from, message) {
    from.send(message);
  }
}

/** A party that has nothing to say to connections. */
export class Silent extends Server {
  onRequest() {
    return new Response("silent");
  }
}

/** A party that takes requests and does not answer them. */
export class Answerless extends Server {
  onRequest() {
    return undefined;
  }
}

/** All that a room sees of a request. */
function told(request) {
  return `${request.method} ${request.url} ${request.headers.get("x-lobby")} ${request.headers.get("content-length")}`;
}

/** A party behind hooks. */
export class Lobby extends Server {
  onConnect(connection, { request }) {
    connection.send(String(request.headers.get("x-lobby")));
    if (request.url.includes("told")) connection.send(`${connection.id} ${told(request)}`);
  }

  async onRequest(request) {
    if (request.url.includes("told")) return new Response(`${told(request)} ${await request.text()}`);
    return new Response(String(request.headers.get("x-lobby")));
  }
}
