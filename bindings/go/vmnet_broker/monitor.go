// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import (
	"context"
	"os"
	"sync"
)

// Monitor receives events, on a connection of its own. The broker ends one that does
// not take its events.
type Monitor struct {
	conn   *conn
	events chan *Event   // closed when there will be no more
	closed chan struct{} // by Close
	once   sync.Once
	err    error // why there will be no more
}

// NewMonitor starts to receive events. None is missed of what happens after it has
// returned.
func NewMonitor(ctx context.Context) (*Monitor, error) {
	broker, err := Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := broker.do(ctx, broker.conn.startMonitoring, nil); err != nil {
		_ = broker.Close()
		return nil, err
	}
	m := &Monitor{conn: broker.conn, events: make(chan *Event), closed: make(chan struct{})}
	go m.receive()
	return m, nil
}

func (m *Monitor) receive() {
	defer close(m.events)
	for {
		event, err := m.conn.nextEvent()
		select {
		case <-m.closed:
			m.err = os.ErrClosed
			return
		default:
		}
		if err != nil {
			m.err = err
			return
		}
		select {
		case m.events <- event:
		case <-m.closed:
		}
	}
}

// Next waits for the next event.
func (m *Monitor) Next(ctx context.Context) (*Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case event, ok := <-m.events:
		if !ok {
			return nil, m.err
		}
		return event, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the connection. A Next that waits returns.
func (m *Monitor) Close() error {
	m.once.Do(func() {
		close(m.closed)
		m.conn.close()
	})
	return nil
}
