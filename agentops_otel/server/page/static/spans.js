// The rows of a session, of which only those near what is looked at are here; folding needs none of the others.
const WINDOW = 200;

export class Spans {
  /** `ask(parameters)` gives a part of the outline; `arrived(from, to)` is told when rows have come. */
  constructor(ask, arrived) {
    this.ask = ask;
    this.arrived = arrived;
    this.total = 0;
    this.rows = new Map();
    this.fresh = new Set();
    this.asked = new Map();
    this.folded = new Map();
    this.turn = 0;
    this.fold();
  }

  /** Take an outline that begins at the first row; `isFirstLook` tells that the other rows are still to come. */
  begin(told, isFirstLook = false) {
    this.turn += 1;
    this.asked.clear();
    this.fresh.clear();
    this.total = told.total;
    for (const number of this.rows.keys()) if (number >= this.total) this.rows.delete(number);
    if (isFirstLook) this.rows.clear();
    const folds = new Map(told.folds.map(([number, id, size]) => [id, { number, size }]));
    for (const id of this.folded.keys()) {
      if (folds.has(id)) this.folded.set(id, folds.get(id));
      else if (![...this.rows.values()].some((row) => row.id === id)) this.folded.delete(id);
    }
    this.take(told.from, told.spans);
    this.folds = folds;
    this.fold();
  }

  take(from, rows) {
    for (const row of rows) {
      this.rows.set(row.number, row);
      if (this.folded.has(row.id)) this.folded.set(row.id, row);
    }
    for (let at = from; at < from + rows.length; at += WINDOW) if (at + WINDOW <= from + rows.length || from + rows.length === this.total) this.fresh.add(Math.floor(at / WINDOW));
  }

  /** The row of this number; where it is not here yet, null, and it is asked for. */
  at(number) {
    const window = Math.floor(number / WINDOW);
    if (!this.fresh.has(window)) this.want(window);
    // The next one is asked for before it is scrolled to.
    const next = number + WINDOW / 2;
    if (next < this.total && !this.fresh.has(Math.floor(next / WINDOW))) this.want(Math.floor(next / WINDOW));
    return this.rows.get(number) ?? null;
  }

  /** Ask for the window of rows with this number, once. */
  want(window) {
    if (!this.asked.has(window)) {
      const { turn } = this;
      this.asked.set(window, this.ask({ from: window * WINDOW, limit: WINDOW }).then((told) => {
        if (turn !== this.turn) return;
        this.take(told.from, told.spans);
        if (this.folded.size) this.fold();
        this.arrived(told.from, told.from + told.spans.length);
      }, () => this.asked.delete(window)));
    }
    return this.asked.get(window);
  }

  /** The row of this number, once it is here. */
  async get(number) {
    if (!this.rows.has(number)) await this.want(Math.floor(number / WINDOW));
    return this.rows.get(number) ?? null;
  }

  /** Fold rows (`[id, {number, size}]`), or unfold ids; without either, count anew what is hidden. */
  fold(fold = [], unfold = []) {
    for (const id of unfold) this.folded.delete(id);
    for (const [id, row] of fold) this.folded.set(id, row);
    this.hidden = [];
    let [until, sum] = [-1, 0];
    for (const { number, size } of [...this.folded.values()].sort((a, b) => a.number - b.number)) {
      if (number <= until) continue;
      until = number + size;
      sum += size;
      this.hidden.push({ number, until, place: number - (sum - size), sum });
    }
    this.length = Math.max(0, this.total - sum);
  }

  /** The number of the row at a place among those that are not hidden. */
  number(place) {
    const before = last(this.hidden, (fold) => fold.place < place);
    return place + (before?.sum ?? 0);
  }

  /** The place of a row; -1 where it is hidden. */
  place(number) {
    const before = last(this.hidden, (fold) => fold.number < number);
    if (before && number <= before.until) return -1;
    return number - (before?.sum ?? 0);
  }

  /** Whatever is folded above a row. */
  above(row) {
    return [...this.folded].filter(([, fold]) => fold.number < row.number && row.number <= fold.number + fold.size).map(([id]) => id);
  }
}

function last(sorted, holds) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle])) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1] ?? null;
}

/** The time that a session took, with its idle times as long as they are told to be shown. */
export class Axis {
  constructor(seconds, idle = []) {
    let away = 0;
    this.idle = idle.map(([begin, end, shown]) => {
      const gap = { begin, end, shown, place: begin - away };
      away += end - begin - shown;
      return gap;
    });
    this.length = Math.max(1e-5, seconds - away);
  }

  /** Where a time lies. */
  place(time) {
    const gap = this.idle.findLast(({ begin }) => begin < time);
    if (!gap) return time;
    if (time >= gap.end) return gap.place + gap.shown + (time - gap.end);
    return gap.place + (gap.shown * (time - gap.begin)) / (gap.end - gap.begin);
  }

  /** The time at a place. */
  time(place) {
    const gap = this.idle.findLast((one) => one.place < place);
    if (!gap) return place;
    if (place >= gap.place + gap.shown) return gap.end + (place - gap.place - gap.shown);
    return gap.begin + ((gap.end - gap.begin) * (place - gap.place)) / gap.shown;
  }
}
