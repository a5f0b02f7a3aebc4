/** What guards and launchers want of the kernel, by the names that `coppice-launcher --missing` gives. */
export interface KernelFeature {
  readonly name: 'subreaper' | 'pidfd' | 'close_range' | 'children'
  readonly since: string
  /** `needed`: no guard without it. `safer`: something can go wrong that else could not. `faster`: it only takes longer. */
  readonly weight: 'needed' | 'safer' | 'faster'
  /** What follows where it is missing. */
  readonly without: string
}

export const kernelFeatures: readonly KernelFeature[] = [
  {
    name: 'subreaper',
    since: 'Linux 3.4, prctl(2)',
    weight: 'needed',
    without: 'a guard does not get the orphans of its tree, and trees can escape',
  },
  {
    name: 'pidfd',
    since: 'Linux 5.3, pidfd_open(2)',
    weight: 'safer',
    without:
      'between the look at a process and the signal is a moment in which its number may pass on to another one',
  },
  {
    name: 'close_range',
    since: 'Linux 5.9, close_range(2)',
    weight: 'safer',
    without: 'what the gateway itself inherited stays open in its launcher and guards',
  },
  {
    name: 'children',
    since: 'CONFIG_PROC_CHILDREN, proc(5)',
    weight: 'faster',
    without: 'to find a tree, a guard looks at every process of the machine',
  },
]
