//! redis-rs: channels, patterns and events in both protocols, with what subscribes again by itself in RESP3, the cache that the
//! server keeps right, and strings. The server is killed in the middle. argv: PORT.
use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::caching::CacheConfig;
use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, ExistenceCheck, Expiry, PushInfo, PushKind, RedisResult, SetExpiry,
    SetOptions, Value, cmd, from_redis_value,
};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await
}
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("nothing came for 30 s")
}

/// RESP2: a connection for messages alone. It does not come back by itself.
async fn messages_resp2(client: &Client, other: &mut ConnectionManager) -> RedisResult<()> {
    let mut listening = client.get_async_pubsub().await?;
    listening.subscribe("mail").await?;
    listening.psubscribe(&["ma?l", "__event__:order-*"]).await?;
    let heard: i64 = other.publish("mail", "hello").await?;
    assert_eq!(heard, 2);
    other.xadd::<_, _, _, _, String>("order-1", "*", &[("total", "42")]).await?;
    let mut stream = listening.into_on_message();
    for pattern in [None, Some("ma?l"), Some("__event__:order-*")] {
        let message = soon(stream.next()).await.unwrap();
        assert_eq!(message.get_pattern::<Option<String>>()?.as_deref(), pattern);
        let payload: String = message.get_payload()?;
        match message.get_channel_name() {
            "mail" => assert_eq!(payload, "hello"),
            "__event__:order-1" => assert!(payload.contains(r#""data":{"total":"42"}"#), "{payload}"),
            other => panic!("{other}"),
        }
    }
    Ok(())
}

/// RESP3: messages are pushes, between the replies of other commands.
struct Pushed {
    manager: ConnectionManager,
    pushes: UnboundedReceiver<PushInfo>,
}
impl Pushed {
    /// A connection that subscribes again, and whose cache the server keeps right.
    async fn connect(client: &Client) -> RedisResult<Pushed> {
        let (sender, pushes) = unbounded_channel();
        let config = ConnectionManagerConfig::new()
            .set_push_sender(sender)
            .set_automatic_resubscription()
            .set_cache_config(CacheConfig::new())
            .set_max_delay(Duration::from_millis(50))
            .set_number_of_retries(200)
            .set_response_timeout(None);
        Ok(Pushed { manager: client.get_connection_manager_with_config(config).await?, pushes })
    }
    /// The next message on a channel or a pattern: its last word.
    async fn next(&mut self) -> (PushKind, String) {
        loop {
            let PushInfo { kind, mut data } = soon(self.pushes.recv()).await.unwrap();
            if matches!(kind, PushKind::Message | PushKind::PMessage) {
                return (kind, from_redis_value(data.pop().unwrap()).unwrap());
            }
        }
    }
    async fn subscribe(&mut self) -> RedisResult<()> {
        self.manager.subscribe("news").await?;
        self.manager.psubscribe("__event__:order-*").await?;
        assert_eq!(self.manager.publish::<_, _, i64>("news", "hello").await?, 1);
        self.manager.xadd::<_, _, _, _, String>("order-3", "*", &[("total", "43")]).await?;
        assert_eq!(self.next().await, (PushKind::Message, "hello".to_string()));
        let (kind, event) = self.next().await;
        assert!(kind == PushKind::PMessage && event.contains(r#""data":{"total":"43"}"#), "{event}");
        Ok(())
    }
    /// After the crash: until it has subscribed again, messages are lost.
    async fn again(&mut self, other: &mut ConnectionManager) {
        let (mut message, mut event) = (false, false);
        while !message || !event {
            // It learns of the crash when it sends something.
            let _: RedisResult<String> = self.manager.ping().await;
            let _: RedisResult<i64> = other.publish("news", "again").await;
            let _: RedisResult<String> = other.xadd("order-3", "*", &[("total", "44")]).await;
            pause().await;
            while let Ok(PushInfo { kind, data }) = self.pushes.try_recv() {
                let last = || from_redis_value::<String>(data.last().unwrap().clone()).unwrap();
                message |= kind == PushKind::Message && last() == "again";
                event |= kind == PushKind::PMessage && last().contains(r#""total":"44""#);
            }
        }
    }
    /// Reading twice asks once; what another connection writes is asked for again.
    async fn cache(&mut self, other: &mut ConnectionManager) -> RedisResult<()> {
        let hits = |s: &Pushed| s.manager.get_cache_statistics().unwrap().hit;
        other.set::<_, _, ()>("price", "1").await?;
        assert_eq!(self.manager.get::<_, String>("price").await?, "1");
        let before = hits(self);
        assert_eq!(self.manager.get::<_, String>("price").await?, "1");
        assert_eq!(hits(self), before + 1);
        other.set::<_, _, ()>("price", "2").await?;
        soon(async {
            while self.manager.get::<_, String>("price").await.unwrap() != "2" {
                pause().await;
            }
        })
        .await;
        assert!(self.manager.get_cache_statistics().unwrap().invalidate > 0);
        Ok(())
    }
}

async fn strings(r: &mut ConnectionManager) -> RedisResult<()> {
    let once = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::EX(3600));
    assert_eq!(r.set_options::<_, _, Option<String>>("text", "three", once.clone()).await?.as_deref(), Some("OK"));
    assert_eq!(r.set_options::<_, _, Option<String>>("text", "other", once).await?, None);
    assert_eq!(r.append::<_, _, i64>("text", " blind").await?, 11);
    assert_eq!(r.setrange::<_, _, i64>("text", 6, "mice ").await?, 11);
    assert_eq!(r.getrange::<_, String>("text", 0, 4).await? + &r.strlen::<_, String>("text").await?, "three11");
    assert_eq!(r.get_ex::<_, String>("text", Expiry::PERSIST).await?, "three mice ");
    assert_eq!(r.getset::<_, _, String>("text", "four").await?, "three mice ");
    assert_eq!(r.get_del::<_, String>("text").await?, "four");
    assert_eq!((r.incr::<_, _, i64>("n", 42).await?, r.decr::<_, _, i64>("n", 2).await?), (42, 40));
    assert_eq!(r.incr::<_, _, f64>("n", 0.5).await?, 40.5);
    r.mset::<_, _, ()>(&[("a", "alive"), ("b", "olive")]).await?;
    assert!(!r.mset_nx::<_, _, bool>(&[("b", ""), ("c", "")]).await?);
    assert_eq!(r.mget::<_, Vec<Option<String>>>(&["a", "c"]).await?, [Some("alive".to_string()), None]);
    assert_eq!(cmd("LCS").arg("a").arg("b").query_async::<String>(r).await?, "live");
    assert_eq!(r.del::<_, i64>(&["a", "b", "n"]).await?, 3);
    Ok(())
}

async fn day(port: &str) -> RedisResult<()> {
    let resp2 = Client::open(format!("redis://127.0.0.1:{port}/"))?;
    let resp3 = Client::open(format!("redis://127.0.0.1:{port}/?protocol=resp3"))?;
    let mut other = resp2.get_connection_manager().await?;
    messages_resp2(&resp2, &mut other).await?;
    let mut pushed = Pushed::connect(&resp3).await?;
    pushed.subscribe().await?;
    pushed.cache(&mut other).await?;
    for mut r in [other.clone(), pushed.manager.clone()] {
        strings(&mut r).await?;
    }
    let scripts = cmd("EVALSHA").arg("0").arg(0).query_async::<Value>(&mut other).await.unwrap_err();
    assert!(scripts.to_string().contains("'evalsha'"), "{scripts}");
    println!("missing: `EVALSHA`: `Script`");

    println!("crash");
    tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        assert_eq!(line, "restarted\n");
    })
    .await
    .unwrap();
    soon(pushed.again(&mut other)).await;
    pushed.cache(&mut other).await?;
    messages_resp2(&resp2, &mut other).await?;
    // A connection whose cache does not come back is one that asks.
    let mut plain = resp3.get_multiplexed_async_connection_with_config(&AsyncConnectionConfig::new()).await?;
    assert_eq!(plain.get::<_, String>("price").await?, "2");
    println!("tried: its own tests of streams (`clients/run redis-rs-1/2 redis-rs-1/3`)");
    println!(
        "tried: `PubSub` (RESP2); in RESP3 `ConnectionManager` with `set_push_sender`, which subscribes again by itself; `__event__:order-*`"
    );
    println!("tried: `CacheConfig` (client-side caching, RESP3); strings");
    println!(
        "care: in RESP2 a `PubSub` does not come back by itself; a call ends after 500 ms: `set_response_timeout(None)` where something waits"
    );
    println!("done");
    Ok(())
}

#[tokio::main]
async fn main() {
    println!("version redis-rs {}", env!("CARGO_PKG_VERSION")); // Cargo.toml gives this program redis-rs' version
    day(&std::env::args().nth(1).unwrap()).await.unwrap();
}
