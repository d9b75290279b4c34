"""Names of network services and protocols, for systems without /etc/services and /etc/protocols.

The numbers are IANA's ("Service Name and Transport Protocol Port Number Registry", "Protocol Numbers"), of the services
that programs name. They are listed here and not copied from the build system, so that the same files come along
wherever an application is built.
"""

from __future__ import annotations

from pathlib import Path

SERVICES = """
1/t tcpmux; 7/tu echo; 9/tu discard sink null; 11/t systat users; 13/tu daytime; 17/t qotd quote; 19/tu chargen
ttytst source; 20/t ftp-data; 21/t ftp; 22/t ssh; 23/t telnet; 25/t smtp mail; 37/tu time timserver; 43/t whois
nicname; 49/tu tacacs; 53/tu domain; 67/u bootps; 68/u bootpc; 69/u tftp; 70/t gopher; 79/t finger; 80/t http www;
88/tu kerberos kerberos5 krb5 kerberos-sec; 110/t pop3 pop-3; 111/tu sunrpc portmapper; 113/t auth authentication
tap ident; 119/t nntp readnews untp; 123/u ntp; 135/t epmap loc-srv; 137/u netbios-ns; 138/u netbios-dgm; 139/t
netbios-ssn; 143/t imap2 imap; 161/tu snmp; 162/tu snmp-trap snmptrap; 179/t bgp; 194/tu irc; 389/tu ldap; 427/tu
svrloc; 443/t https; 443/u https; 445/t microsoft-ds; 464/tu kpasswd; 465/t submissions ssmtp smtps urd; 500/u
isakmp; 512/t exec; 512/u biff comsat; 513/t login; 513/u who whod; 514/t shell cmd syslog; 514/u syslog; 515/t
printer spooler; 520/u route router routed; 543/t klogin; 544/t kshell krcmd; 546/u dhcpv6-client; 547/u
dhcpv6-server; 548/t afpovertcp; 554/tu rtsp; 563/t nntps snntp; 587/t submission; 631/t ipp; 636/tu ldaps; 749/t
kerberos-adm; 853/tu domain-s; 873/t rsync; 989/t ftps-data; 990/t ftps; 992/t telnets; 993/t imaps; 995/t pop3s;
1080/t socks proxy; 1194/tu openvpn; 1352/t lotusnote lotusnotes; 1433/t ms-sql-s; 1434/u ms-sql-m; 1701/u l2f;
1812/tu radius; 1813/tu radius-acct radacct; 1883/t mqtt; 2049/tu nfs; 2086/tu gnunet; 2628/t dict; 3050/t gds-db
gds_db; 3260/t iscsi-target; 3306/t mysql; 3493/tu nut; 3690/tu svn subversion; 4369/tu epmd; 4500/u ipsec-nat-t;
4569/u iax; 5060/tu sip; 5061/tu sip-tls; 5222/t xmpp-client jabber-client; 5269/t xmpp-server jabber-server; 5353/u
mdns; 5432/t postgresql postgres; 5671/t amqps; 5672/t amqp; 5672/s amqp; 5683/u coap; 5684/u coaps; 6000/t x11
x11-0; 6379/t redis; 6514/t syslog-tls; 6566/t sane-port sane saned; 8080/t http-alt webcache; 8883/t secure-mqtt;
9418/t git; 10050/t zabbix-agent; 10051/t zabbix-trapper
"""
"""Ports, with the first letters of their protocols, and names; the first is the service's, the others are aliases."""

KINDS = {"t": "tcp", "u": "udp", "s": "sctp"}

PROTOCOLS = """
0 ip; 1 icmp; 2 igmp; 3 ggp; 4 ipencap IP-ENCAP; 5 st; 6 tcp; 8 egp; 9 igp; 12 pup; 17 udp; 20 hmp; 22 xns-idp; 27
rdp; 29 iso-tp4; 33 dccp; 36 xtp; 37 ddp; 38 idpr-cmtp; 41 ipv6 IPv6; 43 ipv6-route IPv6-Route; 44 ipv6-frag
IPv6-Frag; 45 idrp; 46 rsvp; 47 gre; 50 esp IPSEC-ESP; 51 ah IPSEC-AH; 57 skip; 58 ipv6-icmp IPv6-ICMP; 59
ipv6-nonxt IPv6-NoNxt; 60 ipv6-opts IPv6-Opts; 73 rspf CPHB; 81 vmtp; 88 eigrp; 89 ospf OSPFIGP; 93 ax.25; 94 ipip;
97 etherip; 98 encap; 103 pim; 108 ipcomp; 112 vrrp; 115 l2tp; 124 isis; 132 sctp; 133 fc; 135 mobility-header; 136
udplite; 137 mpls-in-ip; 139 hip; 140 shim6; 141 wesp; 142 rohc
"""
"""Numbers and names; each name is an alias in capital letters, too, as programs look for them."""


def services() -> str:
    """Return the text of /etc/services."""
    lines = []
    for item in SERVICES.split(";"):
        place, name, *aliases = item.split()
        port, kinds = place.split("/")
        lines += [" ".join([f"{name}\t{port}/{KINDS[kind]}", *aliases]) for kind in kinds]
    return "\n".join([*lines, ""])


def protocols() -> str:
    """Return the text of /etc/protocols."""
    lines = []
    for item in PROTOCOLS.split(";"):
        number, name, *aliases = item.split()
        lines.append("\t".join([name, number, *dict.fromkeys([*aliases, name.upper()])]))
    return "\n".join([*lines, ""])


def copy_network_names(_root: Path, target: Path) -> bool:
    """Write both files into a directory."""
    target.mkdir()
    for name, text in (("services", services()), ("protocols", protocols())):
        (target / name).write_text(text, encoding="ascii")
    return True
