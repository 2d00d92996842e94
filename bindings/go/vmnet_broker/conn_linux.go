// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

// Varlink over a Unix socket: messages with their descriptors, and the calls.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

const (
	defaultAddress = "/run/vmnet-broker/socket"
	messageMax     = 16 << 20 // bytes
	filesMax       = 32       // a TAP and a vhost-net descriptor for each of 16 queues
)

var (
	errTooLong  = errors.New("a message is too long")
	errNoObject = errors.New("a message is no object")
)

const lostSentence = "the broker has ended the connection; try again, and with fewer " +
	"connections at a time if there are many"

// Address is where the broker is looked for: the socket's path, which is what
// VMNET_BROKER_SOCKET says, or the usual one.
func Address() string {
	if address := os.Getenv("VMNET_BROKER_SOCKET"); address != "" {
		return address
	}
	return defaultAddress
}

// conn makes one call at a time. The files that it has are those that came since the
// call was sent.
type conn struct {
	socket    *net.UnixConn
	received  []byte
	files     []*os.File
	lostFiles bool // some could not be taken
	continues bool // the last reply is not its call's last
}

func dial(ctx context.Context) (*conn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "unix", Address())
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &CallError{Kind: ErrXPCFailure, Message: err.Error(), cause: err}
	}
	return &conn{socket: socket.(*net.UnixConn)}, nil
}

func (c *conn) close() {
	_ = c.socket.Close()
}

func (c *conn) closeFiles() {
	for _, file := range c.files {
		if file != nil {
			_ = file.Close()
		}
	}
	c.files, c.lostFiles = nil, false
}

func (c *conn) takeDescriptors(control []byte) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		c.lostFiles = true
	}
	for _, message := range messages {
		fds, err := syscall.ParseUnixRights(&message)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			c.files = append(c.files, os.NewFile(uintptr(fd), "vmnet-broker"))
		}
	}
}

// readSome reads once.
func (c *conn) readSome() error {
	buffer := make([]byte, 64<<10)
	control := make([]byte, syscall.CmsgSpace(filesMax*4))
	n, nControl, flags, _, err := c.socket.ReadMsgUnix(buffer, control)
	if err != nil {
		return err
	}
	c.takeDescriptors(control[:nControl])
	if flags&syscall.MSG_CTRUNC != 0 {
		c.lostFiles = true
	}
	c.received = append(c.received, buffer[:n]...)
	switch {
	case n == 0:
		return io.EOF
	case len(c.received) > messageMax:
		return errTooLong
	}
	return nil
}

// receive waits for one message.
func (c *conn) receive() ([]byte, error) {
	for looked := 0; ; {
		end := bytes.IndexByte(c.received[looked:], 0)
		if end >= 0 {
			message := c.received[:looked+end]
			c.received = c.received[looked+end+1:]
			return message, nil
		}
		looked = len(c.received)
		if err := c.readSome(); err != nil {
			return nil, err
		}
	}
}

// lost ends a connection that nothing more can be understood of.
func (c *conn) lost(network string, err error) error {
	c.close()
	switch {
	case errors.Is(err, errTooLong), errors.Is(err, errNoObject):
		return failed(ErrInvalidReply, network, nil)
	case errors.Is(err, net.ErrClosed):
		err = os.ErrClosed
	}
	return &CallError{
		Kind: ErrXPCFailure, Message: about(network, lostSentence), Network: network, cause: err,
	}
}

func (c *conn) send(method string, parameters any, more bool) error {
	text, err := json.Marshal(struct {
		Method     string `json:"method"`
		Parameters any    `json:"parameters"`
		More       bool   `json:"more,omitempty"`
	}{method, parameters, more})
	if err != nil {
		return err
	}
	_, err = c.socket.Write(append(text, 0))
	// A broker that ends the connection may have said why: that is for the receiver to find.
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// reply waits for a reply, and gives its parameters or its error.
func (c *conn) reply(network string) (object, error) {
	text, err := c.receive()
	if err != nil {
		return object{}, c.lost(network, err)
	}
	message := newObject(text)
	parameters := object{bad: message.bad}
	if message.has("parameters") {
		parameters = message.object("parameters")
	}
	var name string
	message.optional("error", &name)
	c.continues = false
	message.optional("continues", &c.continues)
	switch {
	case *message.bad:
		return object{}, c.lost(network, errNoObject)
	case message.has("error"):
		return object{}, refusal(name, parameters, network)
	}
	return parameters, nil
}

// refusal makes an error of the broker's.
func refusal(name string, parameters object, network string) error {
	kind, known := kinds[name]
	if !known {
		kind = ErrInvalidReply
	}
	reason, field := takeReason(parameters)
	message := "the broker answered with " + name + "; it may be of another version"
	if reason != "" {
		message = about(network, reason)
	} else if network != "" && field != "" && name == errorInvalidParameter {
		message = fmt.Sprintf("network %q: the broker does not take this %q", network, field)
		if form, known := forms[field]; known {
			message += ": " + form
		}
	}
	return &CallError{Kind: kind, Name: name, Message: message, Network: network, Field: field}
}

func (c *conn) call(method string, parameters any, network string) (object, error) {
	c.closeFiles()
	if err := c.send(method, parameters, false); err != nil {
		return object{}, c.lost(network, err)
	}
	return c.reply(network)
}

// decode makes a call, and has its reply taken apart.
func decode[T any](c *conn, method string, parameters any, network string,
	take func(object) T) (value T, err error) {
	reply, err := c.call(method, parameters, network)
	if err != nil {
		return value, err
	}
	value = take(reply)
	if *reply.bad {
		err = failed(ErrInvalidReply, network, nil)
	}
	return value, err
}

// list makes a call that lists, and takes of each of its replies what has the member,
// if there is one. After one that is not understood the others are received, too: the next
// call gets replies of its own.
func list[T any](c *conn, method string, parameters any, network, member string,
	take func(object) T) ([]T, error) {
	c.closeFiles()
	if err := c.send(method, parameters, true); err != nil {
		return nil, c.lost(network, err)
	}
	items, bad := []T{}, false
	for c.continues = true; c.continues; {
		reply, err := c.reply(network)
		if err != nil {
			return nil, err
		}
		if reply.has(member) {
			items = append(items, take(reply))
			bad = bad || *reply.bad
		}
	}
	if bad {
		return nil, failed(ErrInvalidReply, network, nil)
	}
	return items, nil
}

// listOf lists what belongs to a network.
func listOf[T any](c *conn, method, network, member string, take func(object) T) ([]T, error) {
	return list(c, method, networkParameters{network}, network, member,
		func(reply object) T { return take(reply.object(member)) })
}

func (c *conn) networks() ([]NetworkInfo, error) {
	return list(c, methodNetworks, struct{}{}, "", "configuration", takeNetwork)
}

func (c *conn) describe(name string) (NetworkInfo, error) {
	return decode(c, methodDescribe, networkParameters{name}, name, takeNetwork)
}

func (c *conn) clients(name string) ([]Client, error) {
	return listOf(c, methodClients, name, "client", takeClient)
}

func (c *conn) interfaces(name string) ([]InterfaceInfo, error) {
	return listOf(c, methodInterfaces, name, "interface", takeInterface)
}

func (c *conn) leases(name string) ([]Lease, error) {
	return listOf(c, methodLeases, name, "lease", takeLease)
}

func (c *conn) inspect(name string) (inspection Inspection, err error) {
	if inspection.Network, err = c.describe(name); err != nil {
		return inspection, err
	}
	if inspection.Clients, err = c.clients(name); err != nil {
		return inspection, err
	}
	if inspection.Interfaces, err = c.interfaces(name); err != nil {
		return inspection, err
	}
	inspection.Leases, err = c.leases(name)
	return inspection, err
}

func (c *conn) acquire(name string) (NetworkInfo, error) {
	return decode(c, methodAcquire, networkParameters{name}, name, takeNetwork)
}

func (c *conn) release(name string) error {
	_, err := c.call(methodRelease, networkParameters{name}, name)
	return err
}

func (c *conn) reload() error {
	_, err := c.call(methodReload, struct{}{}, "")
	return err
}

func (c *conn) attach(name string, options AttachOptions) (*Interface, error) {
	defer c.closeFiles()
	attached, err := decode(c, methodAttach, attachParameters(name, options), name,
		func(o object) *Interface { return takeAttachment(o, c.files) })
	if attached == nil {
		return nil, err
	}
	if c.lostFiles {
		err = noRoom(name)
	} else if err == nil && !attached.fits(options) {
		err = failed(ErrInvalidReply, name, nil)
	}
	if err != nil {
		_ = attached.Close()
		return nil, err
	}
	return attached, nil
}

// noRoom is the error of a call whose files could not be taken.
func noRoom(name string) error {
	return &CallError{
		Kind: ErrInternalError, Network: name,
		Message: about(name, "this process has no room for the descriptors of the reply; raise "+
			"its limit of open files"),
	}
}

func (c *conn) capture(name, device string) (*os.File, error) {
	defer c.closeFiles()
	file, err := decode(c, methodCapture, deviceParameters{name, &device}, name,
		func(o object) *os.File { return takeCapture(o, c.files) })
	if c.lostFiles {
		if file != nil {
			_ = file.Close()
		}
		return nil, noRoom(name)
	}
	return file, err
}

func (c *conn) end(name string, device *string) error {
	_, err := c.call(methodEnd, deviceParameters{name, device}, name)
	return err
}

// fits tells whether the files are those that were asked for.
func (i *Interface) fits(options AttachOptions) bool {
	queues, taps := options.Queues, options.Queues
	if options.OpenByName {
		taps = 0
	}
	return len(i.Files) == taps && (len(i.VhostFiles) == 0 || len(i.VhostFiles) == queues)
}

// startMonitoring returns when the monitor is the next call that the broker serves. It is
// not answered before the first event; the call before it is.
func (c *conn) startMonitoring() error {
	err := c.send(methodInfo, struct{}{}, false)
	if err == nil {
		err = c.send(methodMonitor, struct{}{}, true)
	}
	if err != nil {
		return c.lost("", err)
	}
	_, err = c.reply("")
	return err
}

func (c *conn) nextEvent() (*Event, error) {
	reply, err := c.reply("")
	if err != nil {
		return nil, err
	}
	event := takeEvent(reply)
	if *reply.bad {
		return nil, failed(ErrInvalidReply, "", nil)
	}
	return event, nil
}
