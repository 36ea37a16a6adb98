//! A server that answers at once, with what the services answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// How many items a page of the list has.
pub const PAGE: usize = 100;

pub fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("it is bound"));
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        std::thread::spawn(move || drop(serve(stream)));
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut target, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if target.is_empty() {
                target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = answer(&target);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: keep-alive\r\n\
             date: Sun, 06 Nov 2033 08:49:37 GMT\r\nx-ratelimit-limit: 300\r\nx-ratelimit-remaining: 299\r\n\
             x-ratelimit-reset: 2014879500\r\nserver: nginx\r\ncache-control: no-cache\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
}

fn answer(target: &str) -> String {
    if target.starts_with("/me") {
        return ME.to_owned();
    }
    if target.starts_with("/api/v10/users/@me") {
        return USER.to_owned();
    }
    if !target.starts_with("/rooms?") && target != "/rooms" {
        return r#"{"message_id":"1234567890123456789"}"#.to_owned();
    }
    let cursor = target.split(['?', '&']).find_map(|part| part.strip_prefix("cursor="));
    let page: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let rooms: Vec<String> = (page * PAGE..(page + 1) * PAGE).map(room).collect();
    format!(r#"{{"data":[{}],"nextCursor":"{}"}}"#, rooms.join(","), page + 1)
}

fn room(number: usize) -> String {
    format!(
        r#"{{"id":"ckroom{number:08}","name":"案件 {number}","type":"group","organizationId":"ckorg1","createdAt":"2026-04-01T09:00:00.000Z","updatedAt":"2026-04-02T10:30:00.000Z"}}"#
    )
}

const ME: &str = r#"{"account_id":123,"room_id":322,"name":"John Smith","chatwork_id":"tarochatworkid","organization_id":101,"organization_name":"Hello Company","department":"Marketing","title":"CMO","url":"http://mycompany.example.com","introduction":"Self Introduction","mail":"taro@example.com","tel_organization":"XXX-XXXX-XXXX","tel_extension":"YYY-YYYY-YYYY","tel_mobile":"ZZZ-ZZZZ-ZZZZ","skype":"myskype_id","facebook":"myfacebook_id","twitter":"mytwitter_id","avatar_image_url":"https://example.com/abc.png","login_mail":"account@example.com"}"#;

const USER: &str = r#"{"id":"123456789012345678","username":"bot","discriminator":"0000","global_name":"The Bot","avatar":"a_0123456789abcdef0123456789abcdef","banner":null,"accent_color":16711680,"bot":true,"email":"bot@example.com","flags":0,"premium_type":0,"public_flags":64,"locale":"ja","mfa_enabled":true,"verified":true}"#;
