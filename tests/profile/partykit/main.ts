// What the party of the table does, as one writes it for PartyKit. `../parties/main.rs` is the same in Rust, word for word.

import type * as Party from "partykit/server";

export default class Main implements Party.Server {
  /** What has happened in the room, in order. */
  told: string[] = [];
  /** Who waits until something has happened. */
  waiting: { word: string; come: () => void }[] = [];
  /** What goes on when it is told to. */
  gates: (() => void)[] = [];

  /** What has come of the room itself. */
  born = ["made"];
  /** What takes memory. */
  kept: Uint8Array[] = [];

  /** How often the alarm is to fail yet. */
  fails = 0;
  /** When it has rung last. */
  rang: number | null = null;

  constructor(readonly room: Party.Room) {}

  tell(line: string) {
    this.told.push(line);
    for (const { word, come } of this.waiting) if (line.startsWith(word)) come();
  }

  async onStart() {
    this.tell("start");
    this.born.push("started");
    if (this.room.id.startsWith("start-"))
      await this.room.storage.put("starts", ((await this.room.storage.get<number>("starts")) ?? 0) + 1);
    if (this.room.id.startsWith("start-fails-")) throw new Error("told to fail");
    if (this.room.id.startsWith("start-takes-")) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      this.tell("started");
    }
  }

  getConnectionTags(connection: Party.Connection, { request }: Party.ConnectionContext) {
    const query = new URL(request.url).searchParams;
    if (query.has("early")) {
      this.tell("tags");
      connection.setState(query.get("early"));
    }
    if (query.has("tag")) return query.getAll("tag");
    if (query.has("tags")) return Array.from({ length: Number(query.get("tags")) }, (_, index) => `t${index}`);
    if (query.has("tag-chars")) return ["x".repeat(Number(query.get("tag-chars")))];
    if (query.has("tags-fail")) throw new Error(query.get("tags-fail")!);
    return [];
  }

  async onConnect(connection: Party.Connection, { request }: Party.ConnectionContext) {
    const query = new URL(request.url).searchParams;
    this.tell("connect");
    if (query.has("early")) connection.send(String(connection.state));
    if (query.has("say")) connection.send(query.get("say")!);
    if (query.has("url")) connection.send(request.url);
    if (query.has("header")) connection.send(String(request.headers.get(query.get("header")!)));
    if (query.has("headers")) connection.send([...request.headers.keys()].sort().join(" "));
    if (query.has("waits")) {
      await new Promise<void>((resolve) => this.gates.push(resolve));
      this.tell("connected");
    }
    if (query.has("closes")) connection.close(4000, "at once");
    if (query.has("fails")) throw new Error(query.get("fails")!);
    if (query.has("fails-long")) throw new Error("é".repeat(Number(query.get("fails-long"))));
  }

  onMessage(message: string | ArrayBuffer, from: Party.Connection<unknown>) {
    if (typeof message !== "string") {
      this.tell(`message of ${message.byteLength} bytes`);
      return from.send(message);
    }
    const [word, ...rest] = message.split(" ");
    const about = rest.join(" ");
    this.tell(`message ${word.slice(0, 20)}`);
    const attempt = (what: () => unknown) => {
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
        return this.room.broadcast(about);
      case "others":
        return this.room.broadcast(about, [from.id]);
      case "tagged":
        for (const one of this.room.getConnections(rest[0])) one.send(rest[1]);
        return;
      case "who":
        return from.send([...this.room.getConnections()].map((one) => one.id).join(" "));
      case "one":
        return this.room.getConnection(rest[0])!.send(rest[1]);
      case "put-out": {
        this.room.getConnection(rest[0])!.close(4000, "out");
        return this.room.broadcast(rest[1]);
      }
      case "remember":
        return attempt(() => from.setState("x".repeat(Number(about))));
      case "recall":
        return from.send(String((from.state as string | null)?.length ?? 0));
    }
  }

  onClose(connection: Party.Connection) {
    const listed = [...this.room.getConnections()].includes(connection);
    this.tell(`close ${connection.readyState} ${listed ? "listed" : "not listed"}`);
  }

  onError(_: Party.Connection, error: Error) {
    this.tell(`error ${error.message}`);
  }

  async onRequest(request: Party.Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.split("/").slice(url.pathname.startsWith("/parties/") ? 4 : 3).join("/");
    const about = decodeURIComponent(url.search.slice(1));
    const attempt = async (what: () => Promise<unknown>) => {
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
          await new Promise<void>((come) => this.waiting.push({ word: about, come }));
        return new Response(this.told.join(", "));
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
      case "fail":
        throw new Error(about);
      case "fail-with":
        throw Object.assign(new Error("told to fail"), { code: Number(about) });
      case "all":
        this.room.broadcast(about);
        return new Response("done");
      case "who":
        return new Response([...this.room.getConnections()].map((one) => one.id).join(" "));
      case "born":
        return new Response(this.born.join(", "));
      case "version":
        return new Response("this is version 1");
      case "var": {
        const value = this.room.env[about];
        return new Response(`${typeof value} ${JSON.stringify(value)}`);
      }
      case "memory":
        return attempt(async () => this.kept.push(new Uint8Array(Number(about) << 20).fill(1)));
      case "answer-of":
        return new Response("x".repeat(Number(about)));
      case "block":
        await this.room.blockConcurrencyWhile(async () => {
          this.tell("block");
          await new Promise((resolve) => setTimeout(resolve, 300));
          this.tell("unblock");
        });
        return new Response("done");
      case "block-fails":
        await this.room.blockConcurrencyWhile(async () => {
          throw new Error(about);
        });
        return new Response("not seen");
      case "asset": {
        const asset = await this.room.context.assets.fetch(about);
        return new Response(asset ? `${asset.status} ${await asset.text()}` : "null");
      }
      case "key":
        return attempt(() => this.room.storage.put("k".repeat(Number(about)), 1));
      case "value":
        return attempt(() => this.room.storage.put("value", new Uint8Array(Number(about))));
      case "get-many":
        return attempt(() => this.room.storage.get(Array.from({ length: Number(about) }, (_, index) => `${index}`)));
      case "get-these":
        return new Response([...(await this.room.storage.get(about.split(" "))).keys()].join(" "));
      case "put-many":
        return attempt(() => this.room.storage.put(Object.fromEntries(names(about).map((name) => [name, 1]))));
      case "delete-many":
        return attempt(() => this.room.storage.delete(names(about)));
      case "delete-these":
        return new Response(String(await this.room.storage.delete(about.split(" "))));
      case "alarm":
        await this.room.storage.setAlarm(Date.now() + Number(about));
        return new Response("done");
      case "alarm-at":
        return attempt(() => this.room.storage.setAlarm(Number(about)));
      case "alarm-fails":
        this.fails = Number(about);
        return new Response("done");
      case "alarm-when":
        return new Response(await this.alarm());
      case "no-alarm":
        await this.room.storage.deleteAlarm();
        return new Response("done");
      case "delete-all":
        await this.room.storage.deleteAll();
        return new Response("done");
      case "put":
        return attempt(() => this.room.storage.put(about, 1));
      case "delete":
        return new Response(String(await this.room.storage.delete(about)));
      case "list": {
        const query = url.searchParams;
        const value = (name: string) => query.get(name) ?? undefined;
        const list = this.room.storage.list({
          prefix: value("prefix"),
          start: value("start"),
          startAfter: value("after"),
          end: value("end"),
          limit: query.has("limit") ? Number(query.get("limit")) : undefined,
          reverse: query.has("reverse"),
        });
        return new Response(await list.then((found) => [...found.keys()].join(" "), () => "refused"));
      }
      // `PARTY/ROOM/PATH` of another room.
      case "ask":
        return this.ask(about, (other, path) => other.fetch(`/${path}`));
      case "ask-as":
        return this.ask(about, (other, path) => other.fetch(path));
      case "ask-it":
        return this.ask(about, (other) => other.fetch());
      case "tell":
        return this.ask(about, (other, path) =>
          other.fetch(`/${path}`, { method: "POST", headers: { "x-own": "1" }, body: "some words" }));
      // Says the body there, and answers what comes.
      case "socket": {
        const [party, other, ...way] = about.split("/");
        const body = await request.text();
        try {
          const stub = this.room.context.parties[party].get(other);
          const socket = await stub.socket(`/${way.join("/")}`, { headers: { "x-own": "1" } });
          const heard = new Promise<string>((resolve) =>
            socket.addEventListener("message", (message) => resolve(String(message.data))));
          socket.send(body);
          const answer = await heard;
          socket.close(4001, "as told");
          return new Response(answer);
        } catch {
          return new Response("refused");
        }
      }
      case "starts":
        return new Response(String((await this.room.storage.get("starts")) ?? 0));
      case "count": {
        const count = ((await this.room.storage.get<number>("count")) ?? 0) + 1;
        await this.room.storage.put("count", count);
        return new Response(String(count));
      }
    }
    return new Response(`${this.room.name} ${this.room.id} ${path}`);
  }

  /** Asks another room. */
  async ask(way: string, fetch: (other: Party.Stub, path: string) => Promise<Response>) {
    const [party, other, ...path] = way.split("/");
    try {
      const answer = await fetch(this.room.context.parties[party].get(other), path.join("/"));
      return new Response(`${answer.status} ${await answer.text()}`);
    } catch {
      return new Response("refused");
    }
  }

  /** Whether an alarm is set. */
  async alarm() {
    return (await this.room.storage.getAlarm()) === null ? "none" : "set";
  }

  async onAlarm() {
    const before = this.rang;
    this.rang = Date.now();
    if (before === null) {
      try {
        this.tell(`alarm of ${this.room.id}`);
      } catch {
        this.tell("alarm of nobody");
      }
    } else {
      // A pause is a power of two, and up to a quarter more.
      const pause = Math.floor(Math.log2(Math.max(Math.floor((this.rang - before) / 1000), 1)));
      this.tell(`again after ${1 << pause} s`);
    }
    if (this.told.includes("message alarm-asks"))
      try {
        const other = this.room.context.parties.main.get("asked");
        this.tell(`asked ${(await other.fetch("/size")).status}`);
      } catch {
        this.tell("asked nobody");
      }
    this.room.broadcast(`the alarm is ${await this.alarm()}`);
    if (this.fails > 0) {
      this.fails -= 1;
      throw new Error("told to fail");
    }
  }
}

/** So many names. */
function names(count: string) {
  return Array.from({ length: Number(count) }, (_, index) => `name-${index}`);
}
