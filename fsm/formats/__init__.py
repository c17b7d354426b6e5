"""What tables look like to people and other programs: pictures and listings, from `Tables` alone.

Tables ──▶ mermaid.draw · dot.draw · listing.disassemble ──▶ text
"""
