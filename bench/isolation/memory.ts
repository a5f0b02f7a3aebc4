/** Samples of this process's resident memory, and how fast it grows. */
export class Memory {
  readonly #samples: Array<readonly [minutes: number, megabytes: number]> = []
  readonly #begun = performance.now()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => {
      const minutes = (performance.now() - this.#begun) / 60_000
      this.#samples.push([minutes, process.memoryUsage.rss() / 1024 / 1024])
    }, 1000)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Megabytes a minute, by least squares over all samples but those of the first part, in which caches fill. */
  slope(warmUpMinutes: number): number {
    const samples = this.#samples.filter(([minutes]) => minutes >= warmUpMinutes)
    const mean = (pick: 0 | 1) => samples.reduce((sum, sample) => sum + sample[pick], 0) / samples.length
    const [time, memory] = [mean(0), mean(1)]
    const both = samples.reduce((sum, [x, y]) => sum + (x - time) * (y - memory), 0)
    return both / samples.reduce((sum, [x]) => sum + (x - time) ** 2, 0)
  }

  /** In megabytes. */
  get range(): readonly [least: number, most: number] {
    const all = this.#samples.map(([, megabytes]) => megabytes)
    return [Math.min(...all), Math.max(...all)]
  }

  /** The mean of each minute, in megabytes. */
  get minutes(): number[] {
    const byMinute = Map.groupBy(this.#samples, ([minutes]) => Math.floor(minutes))
    return [...byMinute.values()].map(
      (samples) => samples.reduce((sum, [, mb]) => sum + mb, 0) / samples.length,
    )
  }
}
