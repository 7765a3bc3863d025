// SPDX-License-Identifier: Apache-2.0

// Command server is what the pods of the cluster tests run.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	bind := flag.String("bind", "", "address of HTTP, TCP echo and UDP echo")
	ignoreTerm := flag.Bool("ignore-term", false, "go on after SIGTERM")
	exit := flag.Int("exit", -1, "end at once with this code")
	startDelay := flag.Duration("start-delay", 0, "time before the ports are open")
	flag.Parse()

	fmt.Printf("hello from %s\n", os.Getenv("HOSTNAME"))
	if *exit >= 0 {
		os.Exit(*exit)
	}
	go handleTerm(*ignoreTerm)
	time.Sleep(*startDelay)

	go udpEcho(*bind)
	var unready atomic.Bool
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if unready.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/unready", func(_ http.ResponseWriter, _ *http.Request) { unready.Store(true) })
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("name"))) })
	http.HandleFunc("/name", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("HOSTNAME")) })
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(os.Getenv("CONTAINER_SANDBOX_MOUNT_POINT"), r.FormValue("path")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Write(data)
	})
	http.HandleFunc("/say", func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.FormValue("text")) })
	http.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	listener, err := net.Listen("tcp", *bind)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
}

func handleTerm(ignore bool) {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	for range terms {
		fmt.Println("asked to end")
		if !ignore {
			os.Exit(0)
		}
	}
}

func udpEcho(bind string) {
	conn, err := net.ListenPacket("udp", bind)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buf := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			continue
		}
		reply := append([]byte(os.Getenv("HOSTNAME")+" "), buf[:n]...)
		if _, err := conn.WriteTo(reply, from); err != nil {
			io.WriteString(os.Stderr, err.Error()+"\n")
		}
	}
}
