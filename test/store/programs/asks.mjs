// Opens a database as another program would, asks it one question, and closes it.
import { DatabaseSync } from 'node:sqlite'

const [path, sql] = process.argv.slice(2)
const database = new DatabaseSync(path)
process.stdout.write(JSON.stringify(database.prepare(sql).all()))
database.close()
