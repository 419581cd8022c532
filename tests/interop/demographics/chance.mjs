// A seeded stream of choices (xorshift32). The same seed gives the same shapes on every machine.

export class Chance {
  constructor(seed) {
    this.state = (seed * 2654435761 + 1) >>> 0 || 1;
  }

  below(bound) {
    let state = this.state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.state = state >>> 0;
    return this.state % bound;
  }

  oneIn(bound) {
    return this.below(bound) === 0;
  }

  pick(items) {
    return items[this.below(items.length)];
  }
}
