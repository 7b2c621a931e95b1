// What resumable-stream asks of Redis, kept in this process. Messages come later and in order, as over a network.
const values = new Map();
const listeners = new Map();

export const subscriber = {
  connect: async () => {},
  subscribe: async (channel, listener) => void listeners.set(channel, listener),
  unsubscribe: async (channel) => void listeners.delete(channel),
};

export const publisher = {
  connect: async () => {},
  publish: async (channel, message) => {
    setImmediate(() => listeners.get(channel)?.(message));
    return 1;
  },
  set: async (key, value) => void values.set(key, value),
  get: async (key) => values.get(key) ?? null,
  incr: async (key) => {
    const value = Number(values.get(key) ?? 0) + 1;
    values.set(key, String(value));
    return value;
  },
};
