/** A promise and what settles it: `Promise.withResolvers`, which Node 20 does not have yet. */
export function withResolvers() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}

/** Collects what `add` is given. `all` is the list once there are as many as `count`. */
export function collect(count) {
  const { promise, resolve, reject } = withResolvers();
  const items = [];
  const add = (item) => {
    items.push(item);
    if (items.length === count) resolve(items);
  };
  return { add, fail: reject, all: promise };
}
