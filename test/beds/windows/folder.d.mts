/** Where the Windows of the checkout at `root` is: Wine's prefix. */
export function windowsFolder(root: string): string
