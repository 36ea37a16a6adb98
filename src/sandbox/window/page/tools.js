// What concerns the program under test: its limits, its requests, faults, and webhooks.

/** The requests, by number. */
const requests = new Map();

const KEPT = 200;

function renderTools() {
  const limits = view.services.flatMap((service) => service.limits.map((limit) => ({ service, limit })));
  keyed(byId('limits'), limits.filter(({ limit }) => limit.limit < 1e6), ({ service, limit }) => `${service.id}/${limit.id}`, makeMeter, (node, { service, limit }) => {
    const until = limit.seconds === null ? '' : ` · ${t('until', clock(view.now + limit.seconds * 1000))}`;
    setMeter(node, limit.remaining, limit.limit, `${service.name}, ${limit.who}: ${t('left', limit.remaining, limit.limit)}${until}`);
  });
  renderFaults();
  renderRequests();
  renderWebhooks();
}

function renderFaults() {
  const services = byId('fault-service');
  keyed(services, view.services, (service) => service.id, (service) => el('option', { value: service.id }, service.name));
  const service = serviceOf(services.value) ?? view.services[0];
  const operations = byId('fault-operation');
  const before = operations.value;
  const all = ['', ...service.operations];
  keyed(operations, all, (operation) => `${operation}/${language}`, (operation) => el('option', { value: operation }, operation || t('any')));
  operations.value = all.includes(before) ? before : '';
  keyed(byId('switches'), view.switches, (name) => `${name}/${language}`, (name) => {
    const [title, text] = tOf('switches', name);
    const arm = () => act('arm', {
      service: byId('fault-service').value, operation: byId('fault-operation').value || null, fault: name,
      always: byId('fault-always').checked,
    });
    return el('button', { type: 'button', onclick: arm, 'data-fault': name }, el('strong', {}, title), el('span', {}, ` ${text}`));
  });
  const armed = view.services.filter(({ armed }) => armed.scripts.length > 0 || armed.chaos);
  const none = { id: 'none' };
  keyed(byId('armed'), armed.length ? armed : [none], (service) => `${service.id}/${language}`, makeArmed, (node, service) => {
    if (service === none) return;
    const lines = service.armed.scripts.map(({ operation, switch: name, fault, left }) =>
      `${operation ?? t('any')}: ${name ? tOf('switches', name)[0] : fault ?? t('pass')}, ${left === null ? t('forever') : t('times', left)}`);
    if (service.armed.chaos) lines.push(t('chaos'));
    say(node.firstElementChild, `${service.name} · ${lines.join(' · ')}`);
  });
}

function makeArmed(service) {
  if (service.id === 'none') return el('li', { class: 'hint' }, t('nothing_armed'));
  const calm = async () => {
    await act('calm', { service: service.id });
    byId('switches').querySelector('button')?.focus();
  };
  return el('li', {}, el('span', {}), el('button', { type: 'button', onclick: calm }, t('off', service.name)));
}

function takeRequest(request) {
  requests.set(request.number, request);
  while (requests.size > KEPT) requests.delete(Math.min(...requests.keys()));
}

function renderRequests() {
  const newest = [...requests.values()].sort((one, other) => other.number - one.number);
  byId('no-requests').hidden = newest.length > 0;
  keyed(byId('requests'), newest, (request) => String(request.number), () => el('li', {}, el('div', {}), el('div', {}), el('dl', {})), (node, request) => {
    const [head, line, more] = node.children;
    const status = request.status ?? (request.ended ? t('no_answer') : t('waiting'));
    const good = request.status !== null && request.status < 400;
    say(head,
      el('span', { class: request.ended ? (good ? 'state good' : 'state bad') : 'state' }, String(status)), ' ',
      el('strong', {}, request.operation ?? t('unknown')), ' ',
      request.attempt > 1 ? el('span', { class: 'attempt' }, t('attempt', request.attempt)) : '', ' ',
      el('span', { class: 'hint' }, clock(request.at)));
    say(line, `${request.method} ${request.path}${request.query === null ? '' : `?${request.query}`}`);
    line.className = 'code';
    const lines = [];
    if (request.key !== null) lines.push([t('key'), request.key]);
    for (const [name, value] of request.body) lines.push([name, value]);
    const notes = [];
    if (request.fault !== null) notes.push(tOf('played', request.fault));
    if (request.replayed) notes.push(t('replayed'));
    else if (request.ended && request.method !== 'GET') notes.push(t(request.applied ? 'applied' : 'not_applied'));
    say(more, ...lines.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]),
      ...(notes.length ? [el('dd', { class: request.fault === null ? 'hint' : 'why' }, notes.join(' '))] : []));
  });
}

function renderWebhooks() {
  const all = view.services.flatMap((service) => service.deliveries.map((delivery) => ({ service, delivery })));
  byId('no-webhooks').hidden = all.length > 0;
  keyed(byId('webhooks'), all, ({ service, delivery }) => `${service.id}/${delivery.id}/${language}`, ({ service, delivery }) => {
    const resend = () => act('resend', { service: service.id, delivery: delivery.id });
    const words = t('resend_label', delivery.event, delivery.url ?? t('nowhere'));
    return el('li', {}, el('div', {}), el('button', { type: 'button', onclick: resend, 'aria-label': words }, t('resend')));
  }, (node, { service, delivery }) => {
    const sent = delivery.status ?? delivery.error;
    const good = delivery.error === null && sent !== null;
    say(node.firstElementChild, el('span', { class: sent === null ? 'state' : good ? 'state good' : 'state bad' }, String(delivery.status ?? (delivery.error ? t('no_answer') : t('sending')))),
      ` ${service.name} ${delivery.event} → ${delivery.url ?? t('nowhere')}`, delivery.error === null ? '' : ` (${delivery.error})`);
  });
}
