# redis-rb: channels, events, streams, strings, transactions. The server is killed in the middle. ARGV: PORT; started by ../run.
require "redis"
require "json"

$stdout.sync = true
PORT = ARGV[0].to_i

def connect = Redis.new(port: PORT, timeout: 30)

def equal(got, want)
  raise "#{got.inspect} instead of #{want.inspect}" unless got == want
end

# It fails for want of this command, and of no other; what works one day has to be moved to the others.
def lacks(command)
  yield
  raise "what wants #{command} works by now"
rescue Redis::CommandError => e
  raise unless e.message.include?("ERR '#{command}'")
end

def until_back
  yield
rescue Redis::BaseConnectionError
  sleep 0.05
  retry
end

# A thread listens on a channel, another on patterns, till each has what it waits for.
def channels(r)
  news = Thread.new do
    heard, listener = nil, connect
    listener.subscribe("news") { |on| on.message { |_, m| heard = m; listener.unsubscribe } }
    heard
  end
  events = Thread.new do
    heard, listener = {}, connect
    listener.psubscribe("ne?s", "__event__:order-*") { |on| on.pmessage { |_, c, m| heard[c] = m; listener.punsubscribe if heard.size == 2 } }
    heard
  end
  sleep 0.01 until r.pubsub("numsub", "news").last == 1 && r.pubsub("numpat") == 2
  equal(r.publish("news", "hello"), 2)
  r.xadd("order-1", { total: 42 })
  equal(news.value, "hello")
  equal(events.value["news"], "hello")
  equal(JSON.parse(events.value["__event__:order-1"])["data"], { "total" => "42" })
end

def streams(r)
  ids = 3.times.map { |n| r.xadd("orders", { n: n }, maxlen: 1000, approximate: true) }
  equal(r.xgroup(:create, "orders", "billing", "0"), "OK")
  equal(r.xreadgroup("billing", "alice", "orders", ">", count: 2), { "orders" => [[ids[0], { "n" => "0" }], [ids[1], { "n" => "1" }]] })
  equal(r.xack("orders", "billing", ids[0]), 1)
  equal(r.xpending("orders", "billing")["consumers"], { "alice" => "1" })
  equal(r.xclaim("orders", "billing", "bob", 0, ids[1], justid: true), [ids[1]])
  equal(r.xautoclaim("orders", "billing", "carol", 0, "0-0")["entries"], [[ids[1], { "n" => "1" }]])
  equal(r.xrevrange("orders", "+", "-", count: 1), [[ids[2], { "n" => "2" }]])
  equal(r.xread("orders", ids[1]), { "orders" => [[ids[2], { "n" => "2" }]] })
  equal([r.xinfo(:stream, "orders")["length"], r.xinfo(:consumers, "orders", "billing").size], [3, 3])
  ids
end

def strings(r)
  equal([r.set("text", "three", nx: true, ex: 3600), r.set("text", "other", nx: true)], [true, false])
  equal([r.append("text", " blind"), r.setrange("text", 6, "mice "), r.getrange("text", 0, 4), r.strlen("text")], [11, 11, "three", 11])
  equal([r.getset("text", "four"), r.getex("text", persist: true), r.getdel("text")], ["three mice ", "four", "four"])
  equal([r.setex("text", 10, "five"), r.psetex("text", 10_000, "six"), r.setnx("text", "seven")], ["OK", "OK", false])
  equal([r.incrby("n", 42), r.decr("n"), r.incrbyfloat("n", 0.5)], [42, 41, 41.5])
  equal([r.mapped_mset({ "a" => "1", "b" => "2" }), r.mapped_msetnx({ "b" => "3", "c" => "4" }), r.mget("a", "c")], ["OK", false, ["1", nil]])
  equal(r.multi { |t| t.incr("a"); t.xadd("audit", { a: 2 }, id: "1-1") }, [2, "1-1"])
  equal(r.watch("a") { r.incr("a"); r.multi { |t| t.set("a", "lost") } }, nil)
  equal(r.pipelined { |p| p.get("a"); p.incr("a") }, ["3", 4])
end

r = connect
puts "version redis-rb #{Redis::VERSION}, Ruby #{RUBY_VERSION}"
ids = streams(r)
strings(r)
channels(r)
lacks("eval") { r.eval("return 1") }
lacks("hset") { r.hset("h", "a", "b") }

puts "crash"
equal($stdin.gets, "restarted\n")
equal(until_back { r.get("a") }, "4")
equal(r.xreadgroup("billing", "carol", "orders", "0"), { "orders" => [[ids[1], { "n" => "1" }]] })
equal(r.xack("orders", "billing", ids[1]), 1)
equal(r.xreadgroup("billing", "alice", "orders", ">"), { "orders" => [[ids[2], { "n" => "2" }]] })
channels(r)
puts "tried: channels, patterns, `__event__:order-*`; streams and groups; strings; transactions, pipelines"
puts "missing: `EVAL`: scripts; `HSET` and other types"
puts "care: a subscription does not come back by itself"
puts "done"
