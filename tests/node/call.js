// Calls one action with the official Node client and prints its answer: node call.js <action> < parameters.json
const { readFileSync } = require("node:fs")
const { Client } = require("tencentcloud-sdk-nodejs").oceanus.v20190422

const { ENDPOINT, SECRET_ID, SECRET_KEY } = process.env
const client = new Client({
  credential: { secretId: SECRET_ID, secretKey: SECRET_KEY },
  region: "ap-guangzhou",
  profile: { language: "en-US", httpProfile: { protocol: "http://", endpoint: ENDPOINT } },
})

client[process.argv[2]](JSON.parse(readFileSync(0, "utf8"))).then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => {
    console.error(`${error.code}: ${error.message}`)
    process.exitCode = 1
  },
)
