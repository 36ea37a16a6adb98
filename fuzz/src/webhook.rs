use bytes::Bytes;
use futures::executor::block_on;
use jiff::Timestamp;
use kaiwa::VirtualClock;
use kaiwa::chatwork::webhook::{Delivery, Event, MAX_BODY, Verifier, VerifyError, signature};
use kaiwa::tascha::webhook::{
    ID_HEADER, RawDelivery, Unverified, Verifier as TaschaVerifier, VerifyError as TaschaError,
};
use std::sync::Arc;
use std::time::Duration;

/// Two lines, a signature or a query and a header, and then the body.
pub fn webhook(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let [query, header, body] = [(); 3].map(|()| parts.next().unwrap_or_default());
    chatwork(&String::from_utf8_lossy(query), body);
    tascha(header, body);
}

fn chatwork(query: &str, body: &[u8]) {
    let clock = VirtualClock::starting_at(Timestamp::UNIX_EPOCH);
    let verifier = Verifier::with_clock("AAECAwQFBgc=", Arc::new(clock)).expect("it is base64");
    let verifier = verifier.tolerance(Duration::MAX);
    let genuine = verifier.sign(body);

    // A signature of 256 bits cannot be guessed.
    if let Ok(claimed) = signature(None, Some(query))
        && claimed != genuine
    {
        assert_eq!(verifier.verify_signature(body, &claimed), Err(VerifyError::BadSignature));
    }
    if query != genuine {
        assert_eq!(block_on(verifier.verify(body, query)).err(), Some(VerifyError::BadSignature));
    }
    let encoded = genuine.replace('+', "%2B").replace('/', "%2f");
    let address = format!("{}&chatwork_webhook_signature={encoded}", query.replace("chatwork_webhook_", ""));
    assert_eq!(signature(None, Some(&address)).as_deref(), Ok(&*genuine));

    let parsed = Delivery::parse(body);
    if let Ok(delivery) = &parsed {
        let known = !matches!(delivery.event, Event::Other(_));
        assert!(known == delivery.event.body().is_some() && known == delivery.event.sender().is_some());
        assert!(
            known == delivery.event.message_id().is_some() && known == delivery.event.room_id().is_some()
        );
    }
    match block_on(verifier.verify(body, &genuine)) {
        Err(VerifyError::TooLarge) => assert!(body.len() > MAX_BODY),
        verified => {
            let again = || block_on(verifier.verify(body, &genuine)).err();
            let held = again();
            assert!(verified.is_err() || held == Some(VerifyError::InProgress), "{held:?}");
            let is_new = verified.is_ok();
            assert_eq!(verified.map(|pending| block_on(pending.done())), parsed);
            let repeat = again();
            assert!(!is_new || repeat == Some(VerifyError::Repeat), "{repeat:?}");
        }
    }
    // A rejection is answered with a 4xx: the service tries again or gives up. It is never a 5xx.
    let strict = verifier.tolerance(Duration::from_secs(300)).without_replay_cache();
    if let Err(error) = block_on(strict.verify(body, &genuine)) {
        assert!((400..500).contains(&error.status()), "{error:?}");
        assert!(error.to_string().len() < 200);
    }
}

fn tascha(header: &[u8], body: &[u8]) {
    let verifier =
        TaschaVerifier::new(
            |request: &RawDelivery<'_>| {
                if request.header("x-bad").is_none() { Ok(()) } else { Err(Unverified) }
            },
        );
    let body = Bytes::copy_from_slice(body);
    let request = || RawDelivery::new([(ID_HEADER, header)], body.clone());
    match block_on(verifier.verify(request())) {
        Ok(received) => {
            assert!(header == received.event_id.as_str().as_bytes() && body == received.body);
            let again = || block_on(verifier.verify(request())).map(|received| (*received).clone());
            assert_eq!(again(), Err(TaschaError::InProgress));
            let delivery = (*received).clone();
            drop(received);
            assert_eq!(again(), Ok(delivery.clone()));
            block_on(block_on(verifier.verify(request())).expect("it was given back").done());
            assert_eq!(again(), Err(TaschaError::Repeat));
            block_on(verifier.forget(&delivery.event_id)).expect("it is in memory");
            assert_eq!(again(), Ok(delivery));
        }
        Err(error) => assert!((400..500).contains(&error.status()), "{error:?}"),
    }
    let refused = RawDelivery::new([("X-Bad", header), (ID_HEADER, b"e1")], body.clone());
    let refused = block_on(verifier.verify(refused));
    assert!(matches!(refused, Err(TaschaError::Unverified(_) | TaschaError::TooLarge)), "{refused:?}");
}
