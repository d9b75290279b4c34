"""Three libraries with much C behind them: cryptography, lxml and Pillow."""

import io

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lxml import etree
from PIL import Image, ImageDraw

STYLESHEET = b"""\
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:template match="/list">
    <xsl:for-each select="item">
      <xsl:sort select="."/>
      <xsl:value-of select="concat(., ';')"/>
    </xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
"""


def sign() -> str:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signature = key.sign(b"message")
    key.public_key().verify(signature, b"message")
    try:
        key.public_key().verify(signature, b"another message")
    except InvalidSignature:
        return "verified, forgery refused"
    return "forgery accepted"


def transform() -> str:
    transformation = etree.XSLT(etree.fromstring(STYLESHEET))
    document = etree.fromstring("<list><item>b</item><item>a</item></list>")
    return str(transformation(document))


def draw() -> str:
    image = Image.new("RGB", (32, 16), "white")
    ImageDraw.Draw(image).rectangle((8, 4, 23, 11), fill="red")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    stream.seek(0)
    with Image.open(stream) as copy:
        same = copy.tobytes() == image.tobytes()
        return f"{copy.format} {copy.size} {'same' if same else 'different'}"


def main() -> None:
    print("ed25519", sign())
    print("xslt", transform())
    print("png", draw())


if __name__ == "__main__":
    main()
