// Joins the store at every path that its stdin names, at once, and says that it has or what it was told instead.
import { createInterface } from 'node:readline'
import { join } from './join.mjs'

const [supervisor] = process.argv.slice(2)
const stores = []
console.log('ready')
for await (const path of createInterface({ input: process.stdin })) {
  try {
    stores.push(await join(path, supervisor))
    console.log(`${path} open`)
  } catch (error) {
    console.log(`${path} ${error}`)
  }
}
for (const store of stores) await store.close()
