// SPDX-License-Identifier: Apache-2.0

// A client of the broker by an independent implementation of Varlink: its
// package for the broker's interface is generated from the interface file.
// Prints what it finds as one JSON object; test_protocol.py looks at that.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	broker "comgithubnirsvmnetbroker"

	"github.com/varlink/go/varlink"
)

type found struct {
	Product     string
	Interfaces  []string
	Description string
	Networks    []string
	Acquired    broker.NetworkState
	Clients     []broker.Client
	Events      []string
	NotFound    string
	NotAcquired string
	Refused     string
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func connect(ctx context.Context) *varlink.Connection {
	connection, err := varlink.NewConnection(ctx, "unix:"+os.Args[1])
	check(err)
	return connection
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var f found

	connection := connect(ctx)
	monitor := connect(ctx)
	check(connection.GetInfo(ctx, nil, &f.Product, nil, nil, &f.Interfaces))
	description, err := connection.GetInterfaceDescription(ctx, "com.github.nirs.vmnetbroker")
	check(err)
	f.Description = description

	// The reply to the first call tells that the second is next.
	check(monitor.GetInfo(ctx, nil, nil, nil, nil, nil))
	next, err := broker.Monitor().Send(ctx, monitor, varlink.More)
	check(err)
	networks, err := broker.ListNetworks().Send(ctx, connection, varlink.More)
	check(err)
	for more := true; more; {
		configuration, _, _, _, flags, err := networks(ctx)
		check(err)
		f.Networks = append(f.Networks, configuration.Name)
		more = flags&varlink.Continues != 0
	}
	_, _, _, f.Acquired, err = broker.Acquire().Call(ctx, connection, os.Args[2])
	check(err)
	clients, err := broker.ListClients().Send(ctx, connection, varlink.More, os.Args[2])
	check(err)
	for more := true; more; {
		client, flags, err := clients(ctx)
		check(err)
		f.Clients = append(f.Clients, *client)
		more = flags&varlink.Continues != 0
	}
	check(broker.Release().Call(ctx, connection, os.Args[2]))
	for len(f.Events) < 4 {
		event, flags, err := next(ctx)
		check(err)
		if flags&varlink.Continues == 0 {
			check(errors.New("the events have ended"))
		}
		f.Events = append(f.Events, event.Type)
	}

	_, _, _, _, err = broker.Acquire().Call(ctx, connection, "lost")
	var notFound *broker.NetworkNotFound
	if errors.As(err, &notFound) {
		f.NotFound = notFound.Reason
	}
	var notAcquired *broker.NotAcquired
	if errors.As(broker.Release().Call(ctx, connection, os.Args[2]), &notAcquired) {
		f.NotAcquired = notAcquired.Network
	}
	queues := int64(1000)
	_, _, _, err = broker.Attach().Call(ctx, connection, os.Args[2], nil, nil, nil, nil, nil, nil, nil, &queues, nil, nil)
	var invalid *varlink.InvalidParameter
	if errors.As(err, &invalid) {
		f.Refused = invalid.Parameter
	}
	check(json.NewEncoder(os.Stdout).Encode(f))
}
