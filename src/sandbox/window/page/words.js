// What the page says, in English and in Japanese.

const WORDS = {
  en: {
    skip: 'To the message field', sandbox: 'sandbox', language: 'Language', rooms: 'Rooms', send: 'Send',
    file: 'File', upload: 'Upload', tasks: 'Tasks', files: 'Files', program: 'Program under test', limits: 'Limits',
    faults: 'Faults', faults_hint: 'A click lets the next request of the program go wrong.', service: 'Service',
    operation: 'Operation', always: 'until switched off', requests: 'Requests',
    no_requests: 'None yet. Set the variables that the sandbox has printed, and start your program.',
    webhooks: 'Webhooks', no_webhooks: 'None was sent.', compose_hint: 'Ctrl+Enter sends.',
    as: (service) => `${service} as`, write_as: (name) => `Message as ${name}`, my: 'My Chat',
    may_not: 'This person may not write here.', nobody: 'This person is in no room.',
    connected: 'Connected', connecting: 'The sandbox does not answer. Is it still running?',
    replaced: 'Another window has taken over. Reload this one to have it back.',
    unread: (count) => `${count} unread`, mentions: (count) => `${count} to you`, edited: 'edited',
    deleted: 'Message deleted', to_all: 'TO ALL', to: 'TO', re: 'RE', preview: 'Picture', task: 'Task',
    older: (count) => `${count} older messages are not shown.`,
    done: 'done', open: 'open', finish: 'Finish', due: (time) => `due ${time}`, none: 'None.',
    left: (left, limit) => `${left} of ${limit} calls left`, until: (time) => `a new window at ${time}`,
    posted: (used, limit, seconds) => `${used} of ${limit} posts in this room within ${seconds} s`,
    any: 'any', off: (service) => `Switch off the faults of ${service}`, times: (left) => `${left} ×`,
    forever: 'until switched off', nothing_armed: 'No fault is switched on.', pass: 'served as usual', chaos: 'faults by chance',
    attempt: (number) => `attempt ${number}`, key: 'Key', waiting: 'being answered', no_answer: 'no answer',
    applied: 'It took effect.', not_applied: 'It had no effect.', replayed: 'It was answered as an earlier request with the same key.',
    bytes: (count) => `${count} bytes`, unknown: 'no operation', resend: 'Send again',
    resend_label: (event, url) => `Send ${event} to ${url} again`, nowhere: 'nowhere', sending: 'under way',
    refused: {
      no_service: 'There is no such service.', no_room: 'This room is gone.', no_task: 'This task is gone.',
      no_delivery: 'This webhook is gone.', no_fault: 'There is no such fault.', no_operation: 'There is no such operation.',
      not_member: 'This person is not in the room.', read_only: 'This person may only read here.',
      empty: 'There is nothing to send.', too_long: 'This is longer than the service takes.',
      not_here: 'The window cannot do that with this service.', not_read: 'The sandbox could not read that.',
    },
    switches: {
      delay: ['Delay', 'The answer comes 3 seconds late.'],
      lost_answer: ['Lose the answer', 'It takes effect, then the connection breaks.'],
      lost_request: ['Lose the request', 'The connection breaks before it takes effect.'],
      late: ['Arrive late', 'The connection breaks; it takes effect 5 seconds later.'],
      429: ['429', 'Too many requests, with Retry-After: 5.'],
      500: ['500', 'An error without a body.'],
      502: ['502', 'The page of a gateway.'],
      page: ['Login page', 'HTML with status 200, as of a proxy.'],
      expired_token: ['Expired token', 'The service refuses the token.'],
      silence: ['Silence', 'No answer, on an open connection.'],
      down: ['Down', 'The service is gone for 5 seconds.'],
      cut: ['Cut', 'Half of the answer, then the end.'],
      not_json: ['Broken JSON', 'Half of the JSON, as if it were all.'],
      new_values: ['New values', 'Fields and values of a later version.'],
    },
    // By the name that the log has.
    played: {
      status: 'Fault: another answer in place of the real one.', too_many_requests: 'Fault: the limit is said to be reached.',
      expired_token: 'Fault: the token is said to have expired.', refuse: 'Fault: the service went down.',
      reset: 'Fault: the connection was reset.', close: 'Fault: the connection was closed.', silence: 'Fault: nothing was answered.',
      late: 'Fault: the connection was reset, and the request carried out later.',
      reset_mid_body: 'Fault: the connection was reset in the middle of the answer.',
      short_body: 'Fault: the answer was cut in the middle.', stall: 'Fault: the answer stopped in the middle.',
      endless: 'Fault: the answer does not end.', slow_headers: 'Fault: the answer was delayed.',
      trickle: 'Fault: the answer came piece by piece.', invalid_utf8: 'Fault: the answer has bytes that are no text.',
      invalid_json: 'Fault: the answer is half of its JSON.', wrong_types: 'Fault: the answer has wrong types.',
      unknown_values: 'Fault: the answer has values of a later version.', duplicate_headers: 'Fault: the answer has each header twice.',
      wrong_clock: 'Fault: the clock of the service is wrong.',
    },
    // The service's own words, by their keys in `[dtext:…]`.
    service_words: {
      file_uploaded: 'A file was uploaded.', task_added: 'A task was added.', task_done: 'A task was done.',
      chatroom_chat_edited: 'The room was changed.', chatroom_chatname_is: 'Its name is now ',
      chatroom_description_is: 'Its description is now ', chatroom_changed: '.', chatroom_member_is: '',
      chatroom_added: ' joined.', chatroom_leaved: ' left.', chatroom_deleted: ' was removed.',
    },
  },
  ja: {
    skip: 'メッセージ欄へ移動', sandbox: 'サンドボックス', language: '言語', rooms: 'ルーム', send: '送信',
    file: 'ファイル', upload: 'アップロード', tasks: 'タスク', files: 'ファイル', program: 'テスト対象のプログラム', limits: '利用制限',
    faults: '障害', faults_hint: 'クリックすると、プログラムの次のリクエストで障害が起こります。', service: 'サービス',
    operation: '操作', always: '解除するまで繰り返す', requests: 'リクエスト',
    no_requests: 'まだありません。サンドボックスが表示した環境変数を設定して、プログラムを起動してください。',
    webhooks: 'Webhook', no_webhooks: '送信されたものはありません。', compose_hint: 'Ctrl+Enter で送信します。',
    as: (service) => `${service} での自分`, write_as: (name) => `${name} としてメッセージを書く`, my: 'マイチャット',
    may_not: 'この人はここに書き込めません。', nobody: 'この人が参加しているルームはありません。',
    connected: '接続中', connecting: 'サンドボックスから応答がありません。起動しているか確認してください。',
    replaced: '別のウィンドウに切り替わりました。このウィンドウで続けるには、再読み込みしてください。',
    unread: (count) => `未読 ${count} 件`, mentions: (count) => `自分宛 ${count} 件`, edited: '編集済み',
    deleted: 'メッセージは削除されました', to_all: 'TO ALL', to: 'TO', re: 'RE', preview: '画像', task: 'タスク',
    older: (count) => `これより古い ${count} 件は表示していません。`,
    done: '完了', open: '未完了', finish: '完了にする', due: (time) => `期限 ${time}`, none: 'ありません。',
    left: (left, limit) => `残り ${left} / ${limit} 回`, until: (time) => `${time} にリセットされます`,
    posted: (used, limit, seconds) => `このルームへの投稿 ${used} / ${limit} 件（${seconds} 秒間）`,
    any: 'すべて', off: (service) => `${service} の障害をすべて解除`, times: (left) => `${left} 回`,
    forever: '解除するまで', nothing_armed: '設定中の障害はありません。', pass: '通常の応答', chaos: '確率で起こる障害',
    attempt: (number) => `${number} 回目`, key: 'キー', waiting: '応答待ち', no_answer: '応答なし',
    applied: '処理は実行されました。', not_applied: '処理は実行されていません。', replayed: '同じキーの以前のリクエストと同じ応答を返しました。',
    bytes: (count) => `${count} バイト`, unknown: '該当する操作なし', resend: '再送する',
    resend_label: (event, url) => `${event} を ${url} へ再送する`, nowhere: '宛先なし', sending: '送信中',
    refused: {
      no_service: 'そのサービスはありません。', no_room: 'このルームはもうありません。', no_task: 'このタスクはもうありません。',
      no_delivery: 'この Webhook はもうありません。', no_fault: 'その障害はありません。', no_operation: 'その操作はありません。',
      not_member: 'この人はルームのメンバーではありません。', read_only: 'この人は閲覧のみ可能です。',
      empty: '送信する内容がありません。', too_long: 'サービスの上限を超えています。',
      not_here: 'このサービスでは、ウィンドウからその操作はできません。', not_read: 'サンドボックスが内容を読み取れませんでした。',
    },
    switches: {
      delay: ['遅延', '応答が 3 秒遅れます。'],
      lost_answer: ['応答の消失', '処理は実行され、その後に接続が切れます。'],
      lost_request: ['リクエストの消失', '処理される前に接続が切れます。'],
      late: ['遅れて到着', '接続が切れ、5 秒後に処理が実行されます。'],
      429: ['429', 'リクエスト過多。Retry-After は 5 秒です。'],
      500: ['500', '本文のないエラーです。'],
      502: ['502', 'ゲートウェイのエラーページです。'],
      page: ['ログイン画面', 'プロキシなどの HTML をステータス 200 で返します。'],
      expired_token: ['トークン期限切れ', 'サービスがトークンを拒否します。'],
      silence: ['無応答', '接続は開いたまま、何も返しません。'],
      down: ['停止', 'サービスが 5 秒間停止します。'],
      cut: ['途中で切断', '応答の半分で接続が終わります。'],
      not_json: ['壊れた JSON', 'JSON の半分だけを返します。'],
      new_values: ['未知の値', '将来のバージョンの項目や値を返します。'],
    },
    played: {
      status: '障害：本来とは別の応答を返しました。', too_many_requests: '障害：制限に達したという応答を返しました。',
      expired_token: '障害：トークンの期限切れという応答を返しました。', refuse: '障害：サービスが停止しました。',
      reset: '障害：接続をリセットしました。', close: '障害：接続を閉じました。', silence: '障害：何も応答しませんでした。',
      late: '障害：接続をリセットし、処理は後から実行しました。',
      reset_mid_body: '障害：応答の途中で接続をリセットしました。',
      short_body: '障害：応答を途中で切りました。', stall: '障害：応答が途中で止まりました。',
      endless: '障害：応答が終わりません。', slow_headers: '障害：応答を遅らせました。',
      trickle: '障害：応答を少しずつ送りました。', invalid_utf8: '障害：文字として読めないバイトを応答に入れました。',
      invalid_json: '障害：JSON の半分だけを返しました。', wrong_types: '障害：型の違う値を返しました。',
      unknown_values: '障害：将来のバージョンの値を返しました。', duplicate_headers: '障害：すべてのヘッダーを二重に送りました。',
      wrong_clock: '障害：サービスの時計がずれています。',
    },
    service_words: {
      file_uploaded: 'ファイルをアップロードしました。', task_added: 'タスクを追加しました。', task_done: 'タスクを完了しました。',
      chatroom_chat_edited: 'チャットルームを変更しました。', chatroom_chatname_is: 'チャット名を「',
      chatroom_description_is: '概要を「', chatroom_changed: '」に変更しました。', chatroom_member_is: '',
      chatroom_added: 'さんが参加しました。', chatroom_leaved: 'さんが退席しました。', chatroom_deleted: 'さんが削除されました。',
    },
  },
};

let language = sessionStorage.getItem('language') ?? (navigator.language.startsWith('ja') ? 'ja' : 'en');

/** A word, or a sentence that is made with these values. */
function t(key, ...values) {
  const word = WORDS[language][key];
  return typeof word === 'function' ? word(...values) : word;
}

/** A word of a group; what is not known is shown as it is. */
function tOf(group, key) {
  return Object.hasOwn(WORDS[language][group], key) ? WORDS[language][group][key] : key;
}

/** A time of day; with the date if it is another day. */
function clock(milliseconds) {
  const time = new Date(milliseconds);
  const sameDay = time.toDateString() === new Date(view?.now ?? Date.now()).toDateString();
  const date = sameDay ? {} : { year: 'numeric', month: 'short', day: 'numeric' };
  return time.toLocaleString(language, { ...date, hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** Puts the words into what stands in the page from the beginning. */
function label() {
  document.documentElement.lang = language;
  document.getElementById('language').value = language;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
}
