// Runs an application in two processes that share one port.
const cluster = require("node:cluster");

module.exports = (serve) => {
  if (!cluster.isPrimary) {
    serve(Number(process.env.PORT));
    return;
  }
  for (let i = 0; i < Number(process.env.WORKERS); i++) cluster.fork();
  process.on("SIGTERM", () => process.exit());
};
