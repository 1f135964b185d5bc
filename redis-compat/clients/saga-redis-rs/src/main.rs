//! A saga's day with redis-rs (../../README.md): orders are published, consumed in a group on `@category:order`, projected
//! with EREAD and ECHECKPOINT and, in RESP3, pushed; in the middle of it the server is killed. argv: PORT [PROTOCOL].
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::*;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, PushInfo, PushKind, RedisResult, Value, cmd, from_redis_value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::mpsc;

const ORDERS: &str = "@category:order";
const STREAMS: i64 = 5;

type Named = HashMap<String, Value>;
fn number(map: &Named, name: &str) -> i64 {
    from_redis_value(map[name].clone()).unwrap()
}

/// What the tasks tell each other: how many orders there are, once that is known; that the server was killed and is back.
struct World {
    client: Client,
    orders: AtomicI64,
    back: AtomicBool,
    done: AtomicBool,
}

/// What one consumer was given: each order at least once, first in the order of its stream, and never again once its
/// acknowledgement was answered. Whether one that was not answered has reached the server, nobody knows.
#[derive(Default)]
struct Seen {
    orders: BTreeSet<i64>,
    acknowledged: BTreeSet<i64>,
    unanswered: BTreeSet<i64>,
    last: HashMap<String, i64>,
}
impl Seen {
    fn take(&mut self, stream: &str, n: i64) {
        assert_eq!(stream, format!("order-{}", n % STREAMS));
        assert!(!self.acknowledged.contains(&n), "order {n} comes again, but was acknowledged");
        if self.orders.insert(n) {
            let last = self.last.insert(stream.to_string(), n);
            assert_eq!(n, last.map_or(n % STREAMS, |l| l + STREAMS), "the next order of {stream}");
        }
    }
    fn all(&self, world: &World) -> bool {
        self.orders.len() as i64 == world.orders.load(SeqCst)
    }
}

/// A connection that connects again by itself. A command waits as long as the server lets it: redis-rs gives up after 500 ms.
async fn connect(world: &World) -> ConnectionManager {
    let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(50)).set_response_timeout(None);
    loop {
        match world.client.get_connection_manager_with_config(config.clone()).await {
            Ok(connection) => return connection,
            Err(_) => pause().await,
        }
    }
}
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await
}
/// What a lost connection, or a server that starts, makes of a call: None. Any other error is one.
fn unless_lost<T>(what: &str, result: RedisResult<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(e) if e.is_io_error() || e.is_connection_dropped() || e.is_connection_refusal() => None,
        Err(e) => panic!("{what}: {e}"),
    }
}

/// Publishes until the server was killed and is back, and fifty more: each until it is answered, under the same IDMP.
async fn publish(world: Arc<World>) {
    let mut r = connect(&world).await;
    let mut left = 50;
    let mut n = 0;
    while left > 0 {
        left -= world.back.load(SeqCst) as i32;
        let once = StreamAddOptions::default().idmp("shop", n.to_string());
        let key = format!("order-{}", n % STREAMS);
        loop {
            let id: RedisResult<Option<String>> = r.xadd_options(&key, "*", &[("n", n.to_string())], &once).await;
            if unless_lost("XADD", id).is_some() {
                break;
            }
            pause().await;
        }
        n += 1;
    }
    world.orders.store(n, SeqCst);
}

fn entry(e: &StreamId) -> (String, i64) {
    (e.get("@stream").unwrap(), e.get("n").unwrap())
}

/// Consumes in the group, leaves every seventh order unacknowledged, and asks for the crash after sixty.
async fn consume(world: Arc<World>) {
    let mut r = connect(&world).await;
    let mut seen = Seen::default();
    let mut asked = false;
    let options = StreamReadOptions::default().group("saga", "w1").count(10).block(500);
    // When a connection is lost a reply may be: what it gave is in the history, from 0 on.
    let mut from = ">".to_string();
    while !seen.all(&world) {
        let reply: RedisResult<Option<StreamReadReply>> = r.xread_options(&[ORDERS], &[&from], &options).await;
        let Some(reply) = unless_lost("XREADGROUP", reply) else {
            from = "0".to_string();
            pause().await;
            continue;
        };
        let entries: Vec<_> = reply.iter().flat_map(|r| &r.keys[0].ids).collect();
        if from != ">" {
            from = entries.last().map_or(">", |e| &e.id).to_string();
        }
        for e in entries {
            let (stream, n) = entry(e);
            seen.take(&stream, n);
            if n % 7 != 3 {
                match unless_lost("XACK", r.xack::<_, _, _, usize>(ORDERS, "saga", &[&e.id]).await) {
                    Some(0) => {} // the delivery was lost in the crash: it comes again
                    Some(_) => _ = seen.acknowledged.insert(n),
                    None => _ = seen.unanswered.insert(n),
                }
            }
        }
        if seen.orders.len() >= 60 && !asked {
            println!("crash");
            asked = true;
        }
    }
    // Another one takes over what is left, and then there is nothing left.
    let mut from = "0-0".to_string();
    loop {
        let left: StreamAutoClaimReply =
            r.xautoclaim_options(ORDERS, "saga", "w2", 0, &from, StreamAutoClaimOptions::default()).await.unwrap();
        for e in &left.claimed {
            let (stream, n) = entry(e);
            seen.take(&stream, n);
            assert_eq!(r.xack::<_, _, _, usize>(ORDERS, "saga", &[&e.id]).await.unwrap(), 1);
            seen.acknowledged.insert(n);
        }
        from = left.next_stream_id;
        if from == "0-0" {
            break;
        }
    }
    let lost: Vec<_> = seen.orders.difference(&seen.acknowledged).filter(|n| !seen.unanswered.contains(n)).collect();
    assert!(lost.is_empty(), "neither acknowledged nor pending: {lost:?}");
    let pending: StreamPendingReply = r.xpending(ORDERS, "saga").await.unwrap();
    assert_eq!(pending.count(), 0);
    assert_eq!(r.xlen::<_, i64>(ORDERS).await.unwrap(), world.orders.load(SeqCst));
}

/// Counts the orders: pages with EREAD, the count and the checkpoint in one transaction. So the count is exact, whatever
/// is killed when.
async fn project(world: Arc<World>) {
    let mut r = connect(&world).await;
    while !world.done.load(SeqCst) {
        let Some(stands) =
            unless_lost("GET", cmd("ECHECKPOINT").arg("GET").arg("projection").query_async::<Option<Named>>(&mut r).await)
        else {
            continue;
        };
        let Some(count) = unless_lost("GET", r.get::<_, Option<i64>>("projected").await) else { continue };
        let mut read = cmd("EREAD");
        read.arg("FROM").arg("CHECKPOINT").arg("projection").arg("ELSE").arg("START").arg("COUNT").arg(20).arg("BLOCK").arg(500);
        read.arg("CATEGORY").arg("order").arg("FIELDS").arg("stream_id,payload");
        let Some(page) = unless_lost("EREAD", read.query_async::<Named>(&mut r).await) else { continue };
        let events: Vec<(String, String)> = from_redis_value(page["events"].clone()).unwrap();
        let expected = stands.map_or("NONE".to_string(), |s| number(&s, "position").to_string());
        let moved: RedisResult<()> = redis::pipe()
            .atomic()
            .set("projected", count.unwrap_or(0) + events.len() as i64)
            .ignore()
            .cmd("ECHECKPOINT")
            .arg("SET")
            .arg("projection")
            .arg(number(&page, "next"))
            .arg("IF")
            .arg(expected)
            .ignore()
            .query_async(&mut r)
            .await;
        unless_lost("EXEC", moved);
    }
}

/// The events themselves come: pushed between the replies of other commands. The checkpoint is the server's; after the
/// crash a new subscription goes on from it.
async fn subscribe(world: Arc<World>) {
    let mut seen = Seen::default();
    let mut cursors = BTreeSet::new();
    let mut acknowledged = -1;
    while !seen.all(&world) {
        let (sender, mut pushed) = mpsc::unbounded_channel::<PushInfo>();
        let config = AsyncConnectionConfig::new().set_push_sender(sender).set_response_timeout(None);
        let Ok(mut r) = world.client.get_multiplexed_async_connection_with_config(&config).await else {
            pause().await;
            continue;
        };
        let mut ask = cmd("ESUBSCRIBE");
        ask.arg("order-*").arg("FROM").arg("CHECKPOINT").arg("pushes").arg("ELSE").arg("START").arg("CHECKPOINT").arg("pushes");
        ask.arg("WINDOW").arg(20).arg("NAME").arg("redis-rs").arg("FIELDS").arg("stream_id,payload");
        let Some(reply) = unless_lost("ESUBSCRIBE", ask.query_async::<Named>(&mut r).await) else { continue };
        let subscription: String = from_redis_value(reply["id"].clone()).unwrap();
        assert!(number(&reply, "from") > acknowledged, "from {:?}, but {acknowledged} was acknowledged", reply["from"]);
        let mut since = 0;
        // A last message may come behind the last event: nobody is waited for who has everything.
        while !seen.all(&world) {
            let Ok(message) = tokio::time::timeout(Duration::from_millis(100), pushed.recv()).await else { continue };
            let Some(PushInfo { kind, data }) = message else { break };
            match kind {
                PushKind::Disconnection => break,
                PushKind::Other(kind) if kind == "event" => {
                    let (id, cursor, (stream, payload)): (String, i64, (String, String)) =
                        from_redis_value(Value::Array(data)).unwrap();
                    assert_eq!(id, subscription);
                    assert!(cursor > acknowledged, "event {cursor} comes again");
                    cursors.insert(cursor);
                    seen.take(&stream, payload.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap());
                    since += 1;
                    if since % 10 == 0
                        && unless_lost("EACK", cmd("EACK").arg(&id).arg(cursor).query_async::<()>(&mut r).await).is_some()
                    {
                        acknowledged = cursor;
                    }
                    // Other commands go on over the same connection.
                    if since % 25 == 0 {
                        unless_lost("GET", r.get::<_, Option<i64>>("projected").await);
                    }
                }
                PushKind::Other(kind) if ["caughtup", "behind", "position"].contains(&kind.as_str()) => {}
                other => panic!("{other:?} {data:?}"),
            }
        }
    }
    assert_eq!(cursors.len() as i64, world.orders.load(SeqCst), "events, each once");
    assert_eq!(cursors.last().unwrap() - cursors.first().unwrap() + 1, cursors.len() as i64, "no event between them");
}

#[tokio::main]
async fn main() {
    println!("version {}", env!("CARGO_PKG_VERSION")); // Cargo.toml gives this program redis-rs' version
    // A task that fails ends the program.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::exit(1)
    }));
    let port = std::env::args().nth(1).unwrap();
    let resp3 = std::env::var("RESP").is_ok_and(|r| r == "3");
    let url = format!("redis://127.0.0.1:{port}/{}", if resp3 { "?protocol=resp3" } else { "" });
    let world =
        Arc::new(World { client: Client::open(url).unwrap(), orders: (-1).into(), back: false.into(), done: false.into() });

    let mut r = connect(&world).await;
    r.xgroup_create_mkstream::<_, _, _, ()>(ORDERS, "saga", "0").await.unwrap();
    let mut tasks = vec![tokio::spawn(publish(world.clone())), tokio::spawn(consume(world.clone()))];
    if resp3 {
        tasks.push(tokio::spawn(subscribe(world.clone())));
    }
    let projection = tokio::spawn(project(world.clone()));
    let listening = world.clone();
    tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        assert_eq!(line, "restarted\n");
        listening.back.store(true, SeqCst);
    });
    for task in tasks {
        task.await.unwrap();
    }

    while unless_lost("PING", r.ping::<String>().await).is_none() {}
    // To read one's own write: wait for its sequence.
    let orders = world.orders.load(SeqCst);
    let written: Named = cmd("EAPPEND").arg("order-0").arg("order.closed").query_async(&mut r).await.unwrap();
    let sequence = number(&written, "partition_sequence");
    assert_eq!(
        cmd("ECHECKPOINT").arg("WAIT").arg("projection").arg(sequence).arg(60000).query_async::<i64>(&mut r).await.unwrap(),
        1
    );
    assert_eq!(r.get::<_, i64>("projected").await.unwrap(), orders + 1);
    world.done.store(true, SeqCst);
    projection.await.unwrap();

    // Who comes too late is told where the checkpoint stands.
    let late: RedisResult<()> = cmd("ECHECKPOINT").arg("SET").arg("projection").arg(1).arg("IF").arg(1).query_async(&mut r).await;
    assert_eq!(late.unwrap_err().code(), Some("STALE"));
    println!("done");
}
