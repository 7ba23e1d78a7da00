//! Which time it is.

use redis::Value;

use crate::support::redis::Server;

/// How far ahead of Redis a script takes the time to be when the instance's clock is ahead by so many milliseconds; and how
/// many passed meanwhile.
fn ahead(server: &Server, instance: i64) -> (i64, i64) {
    let script = format!(
        "local function server()
            local time = redis.call('TIME')
            return time[1] * 1000 + math.floor(time[2] / 1000)
        end
        local before = server()
        local ARGV = {{struct.pack('<dc8', before + {instance}, 'somebody'), ''}}
        {}
        return {{clock() - before, server() - before}}",
        include_str!("../../../src/store/redis/clock.lua")
    );
    let answer = server.ask(&["EVAL", &script, "0"]);
    let Value::Array(answer) = &answer else {
        panic!("{answer:?}");
    };
    let [Value::Int(ahead), Value::Int(passed)] = answer[..] else {
        panic!("{answer:?}");
    };
    (ahead, passed)
}

#[tokio::test]
async fn the_clock_of_redis_leads_and_an_instance_may_be_ahead_by_two_seconds() {
    let server = Server::start();
    for (instance, expected) in [
        (-3_600_000, 0),
        (-1000, 0),
        (1000, 1000),
        (1900, 1900),
        (10_000, 2000),
        (3_600_000, 2000),
    ] {
        let (ahead, passed) = ahead(&server, instance);
        let possible = expected..=expected + passed;
        assert!(possible.contains(&ahead), "{instance}: {ahead}");
    }
}
