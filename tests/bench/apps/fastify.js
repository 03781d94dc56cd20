// The same with Fastify and its own plug-ins, which keep tokens that were verified in a table.
const fastify = require("fastify");

const { SECRET, USERNAME, PASSWORD } = process.env;
const SECONDS = 300;

const app = fastify();
app.register(require("@fastify/cookie"));
app.register(require("@fastify/jwt"), {
  secret: SECRET,
  cookie: { cookieName: "token", signed: false },
  sign: { algorithm: "HS256", expiresIn: SECONDS, iss: "postern", aud: "session" },
  verify: { algorithms: ["HS256"], allowedIss: "postern", allowedAud: "session", cache: 1024 },
});

app.post("/login", async (request, reply) => {
  const { username, password } = request.body || {};
  if (username !== USERNAME || password !== PASSWORD) {
    return reply.code(401).send({ message: "Username or password is incorrect" });
  }
  const token = await reply.jwtSign({ sub: username });
  reply.setCookie("token", token, { path: "/", maxAge: SECONDS, httpOnly: true, sameSite: "lax" });
  return { message: "Login is successful" };
});

app.get("/welcome", async (request, reply) => {
  if (!request.cookies.token) return reply.code(401).send({ message: "Please login" });
  try {
    await request.jwtVerify({ onlyCookie: true });
  } catch {
    return reply.code(400).send({ message: "Authentication error!" });
  }
  reply.header("Cache-Control", "no-store");
  return { message: "Have a good day" };
});

require("./processes.js")((port) => app.listen({ port, host: "127.0.0.1" }));
