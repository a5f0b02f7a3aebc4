import { execa } from 'execa'
import { type KernelFeature, kernelFeatures } from './kernel-features.js'

/** Milliseconds; it does next to nothing. */
const bound = 2_000

/** The version of the package that the helper was built from; null where it says none. */
export async function helperVersion(helper: string): Promise<string | null> {
  const { stdout } = await execa(helper, ['--version'], { reject: false, timeout: bound, stdin: 'ignore' })
  return /^coppice-(?:launcher|job) (\S+)/.exec(stdout ?? '')?.[1] ?? null
}

/** What the kernel refuses when it is asked, whatever its version says. Rejects where the helper does not answer. */
export async function missingFromKernel(helper: string): Promise<KernelFeature[]> {
  const { stdout } = await execa(helper, ['--missing'], { timeout: bound, stdin: 'ignore' })
  const missing = new Set(stdout.split('\n'))
  return kernelFeatures.filter(({ name }) => missing.has(name))
}
