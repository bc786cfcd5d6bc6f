// Waiting with a bound. A test never sleeps: it waits for what must happen, and fails with words if it does not.

// A test may put timers of its own in their place (timers.js); bounds stay real.
const { setTimeout, clearTimeout } = globalThis;

/** The longest wait for one thing, in milliseconds: three reconnections of PartySocket and a slow machine. */
export const BOUND_MS = 30_000;

/** Waits for a promise, at most for the bound. */
export async function within(promise, what, boundMs = BOUND_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${boundMs} ms: ${what}`)), boundMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The next event of this type. Who does not come to wait for it has failed otherwise, and says that. */
export function next(target, type) {
  const event = new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
  const awaited = within(event, `event "${type}"`);
  awaited.catch(() => {});
  return awaited;
}

/** What a target has received, in order, to be taken one by one. */
export class Inbox {
  #waiting = [];
  #takers = [];

  /** Keeps what `read` makes of each message. */
  constructor(target, read = (data) => data) {
    target.addEventListener("message", (message) => {
      const value = read(message.data);
      const taker = this.#takers.shift();
      if (taker) taker(value);
      else this.#waiting.push(value);
    });
  }

  /** How much has come that was not taken. */
  get length() {
    return this.#waiting.length;
  }

  /** The next one. */
  take() {
    if (this.#waiting.length > 0) return Promise.resolve(this.#waiting.shift());
    return within(new Promise((resolve) => this.#takers.push(resolve)), "a message");
  }

  /** The next so many. */
  async takeAll(count) {
    const taken = [];
    while (taken.length < count) taken.push(await this.take());
    return taken;
  }

  /** Takes until one fits, and gives it back. */
  async takeUntil(fits) {
    for (;;) {
      const one = await this.take();
      if (fits(one)) return one;
    }
  }
}
